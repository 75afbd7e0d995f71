#pragma once

#include <string>

#include "core/json_value.h"
#include "data/sft/map_keys.h"

namespace ingot::data {

/// The record with the lists that stand as JSON text in a cell, as CSV and Parquet have them, read: messages, history,
/// tools and the like. So are lists of texts each of which is the JSON of a message. An empty cell is null.
JsonValue with_lists_read(JsonValue record, const MapKeys& keys);

/// The name of the column that holds the messages or turns: of "conversations", "messages" and "conversation" the one that
/// is not empty.
std::string list_of_messages(const JsonValue& record, const MapKeys& keys);

/// The name of the format that the record's keys and first message tell. Throws RecordError with
/// format_advice.
std::string recognise_format(const JsonValue& record, const MapKeys& keys);

}  // namespace ingot::data
