#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/chat/conversation.h"
#include "data/sft/map_keys.h"

namespace ingot::data {

/// What a record gives: its conversations, or the reason why there is none.
struct HandledRecord {
  std::string handler;                      // the one that read it
  std::vector<Conversation> conversations;  // one, or with moss_per_turn one a turn
  std::string reason, detail;               // see RecordError
  std::vector<std::string> unused;          // columns that hold something which training does not use
  std::vector<std::string> columns;         // all that the record has, also where there is a reason
};

/// Reads records of one format as conversations. Immutable: safe from many threads.
class RecordHandler {
 public:
  virtual ~RecordHandler() = default;
  virtual std::string_view name() const = 0;
  /// Takes one JSON value. Whatever stands in it becomes conversations or a reason; nothing is thrown for it.
  virtual HandledRecord handle(std::string_view json) const = 0;
};

/// The handler of that name: alpaca, sharegpt, openai, moss, moss_per_turn, auto (each record by its keys), or a name
/// that ModelArts gives them. Source: CONTRACT §4.3. Throws ConfigError with the nearest name for an unknown one.
/// `ignored` are columns and fields of messages that are taken for absent; reasoning_content stands for reasoning however it is written.
std::unique_ptr<RecordHandler> make_record_handler(const std::string& name, const MapKeys& keys, const std::vector<std::string>& ignored = {});

/// The name of ours behind a name of either kind. Throws ConfigError as make_record_handler does.
std::string plain_handler_name(const std::string& name);

/// True for the handler names of stage pt.
bool is_pretrain_handler(const std::string& name);

}  // namespace ingot::data
