#pragma once

#include <string>
#include <vector>

#include "data/chat/conversation.h"
#include "data/sft/map_keys.h"

namespace ingot::data {

/// What the columns of one question and its answer are called in one format. What stands in one of `extras` belongs to the question.
struct PairNames {
  std::string format, question, answer;
  std::vector<std::string> extras = {"input", "context"};
  std::string history = "history";
  static PairNames alpaca(const MapKeys& keys);
  /// Those that a record's keys tell, the first that fits.
  static const std::vector<PairNames>& known();
};

/// {"instruction", "input", "output", "history": [[question, answer], ...]} and the like. The question is that and the extra on lines
/// of their own; question and answer may be lists of messages, and answers in the question are no labels, as in TRL. Source: CONTRACT §4.1.
Conversation read_pair(const JsonValue& record, const PairNames& names);

/// What messages are called in one format.
struct MessageNames {
  std::string messages, role, content;
  std::vector<std::string> user, assistant, system, observation, function_call;
  static MessageNames sharegpt(const MapKeys& keys);
  static MessageNames openai(const MapKeys& keys);
  /// All that is read of a message.
  std::vector<std::string> fields_of(const JsonValue& message) const;
};

/// {"conversations": [{"from", "value"}, ...]} or {"messages": [{"role", "content"}, ...]}.
Conversation read_messages(const JsonValue& record, const MessageNames& names);

/// {LIST: [question, answer, question, ...]}: UltraChat's data, LIMA's conversations.
Conversation read_texts(const JsonValue& record, const std::string& list);

/// What a turn of question and answer calls them.
struct TurnNames {
  std::string format, question, answer;
  /// XTuner's input and output, Firefly's human and assistant, COIG's question and answer.
  static const std::vector<TurnNames>& known();
};

/// {LIST: [{"system", QUESTION, ANSWER, "output_with_loss": false}, ...]}.
Conversation read_turns(const JsonValue& record, const std::string& list, const TurnNames& names);

/// {"chat": {"turn_1": {"Human", "MOSS", ...}, ...}} in the order of their numbers, with the markers taken away; the record's
/// meta_instruction and the turns' thoughts, commands and tool responses are not used, as ModelArts' handlers do not.
Conversation read_moss(const JsonValue& record);

/// What a record has beside its talk, in any format: columns with a system message and with definitions of tools. An empty name is no
/// column.
struct BesideNames {
  std::string system, tools;
  /// The usual names, or those that the user has given; OpenOrca's system_prompt where that alone says something.
  static BesideNames of(const JsonValue& record, const MapKeys& keys);
  /// Those columns that are read.
  std::vector<std::string> used(const JsonValue& record) const;
};

/// Adds it to the talk. Refuses a system message or tools beside those in the talk that say something else.
void add_beside(const JsonValue& record, const BesideNames& names, Conversation& conversation);

/// Throws RecordError with that reason where both say something and differ; a function is the same with and without its wrapper.
void refuse_two_sets_of_tools(const std::vector<JsonValue>& some, const std::vector<JsonValue>& others, const std::string& reason);

/// Definitions of tools in the column, each an object or the JSON text of one.
std::vector<JsonValue> tool_definitions(const JsonValue& object, const std::string& name);

/// Refuses empty questions and answers, and a conversation that does not end with an answer; which orders of roles can be told is for
/// the template to say. Throws RecordError.
void check_messages(const Conversation& conversation);

}  // namespace ingot::data
