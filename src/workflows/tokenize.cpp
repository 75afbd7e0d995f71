#include "workflows/tokenize.h"

#include <fmt/format.h>

#include <algorithm>
#include <istream>
#include <ostream>
#include <string>

#include "core/error.h"
#include "core/expect_folder.h"
#include "core/json.h"
#include "core/json_value.h"
#include "core/stop.h"
#include "data/chat/chat_template.h"
#include "data/sft/formats.h"
#include "data/sft/record_error.h"
#include "data/tokenizer/tokenizer.h"

namespace ingot::workflows {
namespace {

std::string to_json_list(const std::vector<data::TokenId>& ids) { return fmt::format("[{}]", fmt::join(ids, ",")); }

std::string encode_line(const TokenizeRequest& request, const data::Tokenizer& tokenizer, const std::string& line,
                        const std::string& where) {
  std::string text = line;
  if (request.json) {
    const Json value = parse_json(line, where);
    if (!value.is_string()) throw DataError(fmt::format("{}: found {}, wanted a JSON string", where, value.type_name()));
    text = value.get<std::string>();
  }
  if (request.add_special_tokens) return to_json_list(tokenizer.encode_with_special_tokens(text));
  return to_json_list(request.ordinary ? tokenizer.encode_ordinary(text) : tokenizer.encode(text));
}

std::string decode_line(const TokenizeRequest& request, const data::Tokenizer& tokenizer, const std::string& line,
                        const std::string& where) {
  const Json list = parse_json(line, where);
  std::vector<data::TokenId> ids;
  for (const auto& item : list) {
    const bool fits = item.is_number_integer() && item.get<int64_t>() >= 0 && item.get<int64_t>() < tokenizer.vocab_size();
    if (!list.is_array() || !fits)
      throw DataError(fmt::format("{}: found {}, wanted a list of ids below {}", where, item.dump(), tokenizer.vocab_size()));
    ids.push_back(item.get<data::TokenId>());
  }
  const std::string text = tokenizer.decode(ids, /*skip_special=*/false);
  return request.json ? json_text(text) : text;
}

/// A list of messages as chat APIs have them, or an object with "messages" and "tools".
data::Conversation read_conversation(const std::string& line, const std::string& where) {
  JsonValue value = parse_json_value(line, where);
  if (value.is_list()) value = {JsonValue::Kind::kObject, {}, {"messages"}, {std::move(value)}};
  if (!value.is_object()) throw DataError(where + ": wanted a list of messages, or an object with \"messages\"");
  try {
    auto conversation = data::read_messages(value, data::MessageNames::openai({}));
    data::add_beside(value, data::BesideNames::of(value, {}), conversation);
    return conversation;
  } catch (const data::RecordError& error) {
    throw DataError(fmt::format("{}{}{}: {}{}{}", where, error.place.empty() ? "" : ", ", error.place, error.what(),
                                error.detail.empty() ? "" : ": ", error.detail));
  }
}

std::string chat_line(const data::ChatTemplate& chat, const data::Tokenizer& tokenizer, const std::string& line,
                      const std::string& where) {
  const auto conversation = read_conversation(line, where);
  try {
    const auto rendered = chat.render(conversation, tokenizer);
    std::vector<data::TokenId> mask, eos_labels;
    for (size_t i = 0; i < rendered.ids.size(); ++i) {
      mask.push_back(rendered.loss_mask[i] != data::kNoLabel);
      if (rendered.loss_mask[i] == data::kEosLabel) eos_labels.push_back(static_cast<data::TokenId>(i));
    }
    const auto is_fraction = [](float weight) { return weight != 0 && weight != 1; };
    const bool fractions = std::any_of(rendered.weights.begin(), rendered.weights.end(), is_fraction);
    return fmt::format(R"({{"text":{},"input_ids":{},"loss_mask":{}{}{}}})",
                       json_text(rendered.text),
                       to_json_list(rendered.ids), to_json_list(mask),
                       eos_labels.empty() ? "" : ",\"eos_labels\":" + to_json_list(eos_labels),
                       fractions ? fmt::format(",\"weights\":[{}]", fmt::join(rendered.weights, ",")) : "");
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", where, error.what()));
  }
}

std::unique_ptr<data::ChatTemplate> chat_template_of(const TokenizeRequest& request) {
  const std::string name = request.template_name.empty() ? data::detect_chat_template(request.model) : request.template_name;
  return data::make_chat_template(name, {.vendor_labels = request.vendor_labels});
}

}  // namespace

int tokenize(const TokenizeRequest& request, std::istream& in, std::ostream& out) {
  expect_folder(request.model, "--model", "a folder with a tokenizer");
  const auto chat = request.chat ? chat_template_of(request) : nullptr;
  const auto tokenizer = data::load_tokenizer(request.model);
  std::string line;
  const NothingToSave waiting;
  for (uint64_t number = 1; out && std::getline(in, line); ++number) {
    const std::string where = fmt::format("standard input, line {}", number);
    if (chat) out << chat_line(*chat, *tokenizer, line, where) << '\n';
    else if (request.decode) out << decode_line(request, *tokenizer, line, where) << '\n';
    else out << encode_line(request, *tokenizer, line, where) << '\n';
  }
  return kExitOk;
}

}  // namespace ingot::workflows
