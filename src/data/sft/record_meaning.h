#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/json_value.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// Refuses a record that says of its answer that it is not wanted: chosen and rejected answers, `label: false` and the like. Throws
/// RecordError naming the column and how to train it all the same.
void refuse_preferences(const JsonValue& record);

/// Refuses a record with pictures, films, sounds or regions of them, beside or in its messages, whose place is marked in the text: the
/// mark alone has no meaning.
void refuse_media(const JsonValue& record, const Conversation& conversation);

/// Columns that hold something and are none of `used`, in the record's order.
std::vector<std::string> unused_columns(const JsonValue& record, const std::vector<std::string>& used);

/// The same of the messages in `list`, of each of which those are used, each name once, as "LIST[].NAME".
std::vector<std::string> unused_in_messages(const JsonValue& record, const std::string& list,
                                            const std::function<std::vector<std::string>(const JsonValue& message)>& used);

}  // namespace ingot::data
