#pragma once

#include <unordered_map>
#include <vector>

#include "checkpoint/byte_cursor.h"
#include "checkpoint/torch/pickle_document.h"

namespace ingot::checkpoint {

/// The stack, marks and memo of a pickle machine and the containers that it makes, all bounded. Each operation throws
/// DataError at the cursor's place when the pickle breaks a bound or takes what is not there.
class PickleStack {
 public:
  explicit PickleStack(const ByteCursor& cursor) : cursor_(cursor) {}

  void push(PickleValue value);
  PickleValue pop();
  PickleValue& top();
  bool is_empty() const { return values_.empty(); }

  void push_mark();
  /// The values above the newest mark, which goes with them.
  std::vector<PickleValue> pop_mark();
  std::vector<PickleValue> pop_many(size_t count);

  void put(uint32_t place);  // the top into the memo
  void put_next() { put(static_cast<uint32_t>(memo_.size())); }
  void get(uint32_t place);

  void push_container(PickleItems::Kind kind, std::vector<PickleValue> items);
  /// Appends to the container at the top, which must be of that kind.
  void extend(PickleItems::Kind kind, const std::vector<PickleValue>& items);

  PickleContainers containers;

 private:
  void check_items(PickleItems::Kind kind, size_t count);
  int depth_above(const std::vector<PickleValue>& items) const;
  const ByteCursor& cursor_;
  size_t num_items_ = 0;  // of all containers
  std::vector<PickleValue> values_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleValue> memo_;
};

}  // namespace ingot::checkpoint
