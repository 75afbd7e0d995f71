#include "checkpoint/torch/pickle_stack.h"

#include <fmt/format.h>

#include <algorithm>

namespace ingot::checkpoint {
namespace {

// A state dict makes about 20 values a tensor. With these bounds the worst pickle costs some hundred MiB.
constexpr size_t kMaxValues = size_t{1} << 20, kMaxItems = size_t{4} << 20, kMaxMarks = 1000;
constexpr int kMaxDepth = 1000;

}  // namespace

const std::vector<PickleValue>* items_of(const PickleContainers& containers, const PickleValue& value,
                                         PickleItems::Kind kind) {
  const auto* container = std::get_if<PickleContainer>(&value);
  return container && containers[container->index].kind == kind ? &containers[container->index].items : nullptr;
}

void PickleStack::push(PickleValue value) {
  if (values_.size() == kMaxValues) cursor_.fail(fmt::format("more than {} values on the stack", kMaxValues));
  values_.push_back(value);
}

PickleValue& PickleStack::top() {
  if (values_.size() == (marks_.empty() ? 0 : marks_.back())) cursor_.fail("takes a value where none is on the stack");
  return values_.back();
}

PickleValue PickleStack::pop() {
  const PickleValue value = top();
  values_.pop_back();
  return value;
}

void PickleStack::push_mark() {
  if (marks_.size() == kMaxMarks) cursor_.fail(fmt::format("more than {} open marks", kMaxMarks));
  marks_.push_back(values_.size());
}

std::vector<PickleValue> PickleStack::pop_mark() {
  if (marks_.empty()) cursor_.fail("takes values up to a mark where none is");
  const size_t mark = marks_.back();
  marks_.pop_back();
  return pop_many(values_.size() - mark);
}

std::vector<PickleValue> PickleStack::pop_many(size_t count) {
  if (count > values_.size() - (marks_.empty() ? 0 : marks_.back()))
    cursor_.fail("takes values that are not on the stack");
  const auto first = values_.end() - static_cast<ptrdiff_t>(count);
  std::vector<PickleValue> taken(first, values_.end());
  values_.erase(first, values_.end());
  return taken;
}

void PickleStack::put(uint32_t place) {
  if (memo_.size() == kMaxValues) cursor_.fail(fmt::format("more than {} values in the memo", kMaxValues));
  memo_[place] = top();
}

void PickleStack::get(uint32_t place) {
  const auto found = memo_.find(place);
  if (found == memo_.end()) cursor_.fail(fmt::format("takes memo {}, which was never put", place));
  push(found->second);
}

void PickleStack::push_container(PickleItems::Kind kind, std::vector<PickleValue> items) {
  if (containers.size() == kMaxValues) cursor_.fail(fmt::format("more than {} tuples, lists and dicts", kMaxValues));
  check_items(kind, items.size());
  const int depth = depth_above(items);
  containers.push_back({kind, std::move(items), depth});
  push(PickleContainer{containers.size() - 1});
}

void PickleStack::extend(PickleItems::Kind kind, const std::vector<PickleValue>& items) {
  const PickleValue& target_value = top();
  if (!items_of(containers, target_value, kind))
    cursor_.fail(kind == PickleItems::Kind::kDict ? "sets items of what is no dict" : "appends to what is no list");
  check_items(kind, items.size());
  PickleItems& target = containers[std::get<PickleContainer>(target_value).index];
  target.items.insert(target.items.end(), items.begin(), items.end());
  target.depth = std::max(target.depth, depth_above(items));
}

void PickleStack::check_items(PickleItems::Kind kind, size_t count) {
  if (kind == PickleItems::Kind::kDict && count % 2 != 0) cursor_.fail("a dict with a key and no value");
  num_items_ += count;
  if (num_items_ > kMaxItems) cursor_.fail(fmt::format("more than {} items in tuples, lists and dicts", kMaxItems));
}

int PickleStack::depth_above(const std::vector<PickleValue>& items) const {
  int deepest = 0;
  for (const auto& item : items)
    if (const auto* container = std::get_if<PickleContainer>(&item))
      deepest = std::max(deepest, containers[container->index].depth);
  if (deepest >= kMaxDepth) cursor_.fail(fmt::format("nested deeper than {} levels", kMaxDepth));
  return deepest + 1;
}

}  // namespace ingot::checkpoint
