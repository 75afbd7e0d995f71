#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/chat/chat_family.h"

namespace ingot::data {

/// A template made of formats: texts in which {content}, {bos}, {eos}, {round} (1, 2, ...) and {token:TEXT} are replaced
/// and the texts of the tokenizer's special tokens are those tokens. Each format is encoded by itself.
struct ChatFormats {
  std::string name;
  std::string prefix;                  // once, in front of everything
  std::string system = "{content}";
  std::string user = "{content}";      // up to where the answer begins
  std::string assistant = "{content}{eos}";
  std::string observation;             // a tool's answer; empty: as user
  std::string function_call;           // empty: as assistant
  std::string separator;               // in front of every user's message but the first
  std::string default_system;          // where a conversation has no system message; empty: none
  std::vector<std::string> stop;       // tokens that end an answer, beside eos
  bool efficient_eos = false;          // eos is only the label of the token behind an answer, see OtherLabel

  /// What is wrong with them; empty when sound.
  std::vector<std::string> problems() const;
};

/// Reads formats from YAML. Throws ConfigError listing every unknown key with the nearest one and every bad value.
ChatFormats read_chat_formats(const std::filesystem::path& file);

/// A template of formats.
std::unique_ptr<ChatTemplate> make_formatted(const ChatFormats& formats, const ChatOptions& options);

}  // namespace ingot::data
