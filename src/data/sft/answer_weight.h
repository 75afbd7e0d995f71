#pragma once

#include <string>
#include <vector>

#include "core/json_value.h"
#include "data/chat/conversation.h"

namespace ingot::data {

/// Every field that says how much an answer counts in the loss.
const std::vector<std::string>& weight_fields();

/// What an answer counts in the loss: true, false or a number from 0 to 1. Throws RecordError for anything else.
double weight_of(const JsonValue& value);

/// The same of a message or turn, by any of the fields; 1 where none says it. Throws RecordError where two differ, or where only parts of
/// an answer are to be trained.
double weight_in(const JsonValue& message, Role role);

/// Refuses a record that gives its answers another weight than 1 beside the talk: which of them it means, and whether a number there is
/// a weight at all, is not said. Throws RecordError naming the column.
void refuse_weights_beside(const JsonValue& record);

}  // namespace ingot::data
