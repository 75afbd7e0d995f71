#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>

namespace ingot::workflows {

struct GenerateRequest {
  std::filesystem::path adapter;     // a LoRA adapter folder to add; empty: none
  std::filesystem::path model;     // a Hugging Face folder
  std::string prompt;
  std::string precision = "auto", device = "auto";  // see hub/compute.h
  int64_t max_new_tokens = 128;
  // Absent: with chat what generation_config.json says; else, and where it says nothing, the likeliest of all tokens.
  std::optional<double> temperature, top_p, repetition_penalty;
  std::optional<int64_t> top_k;
  uint64_t seed = 0;
  bool verbose = false;            // tell how tokens are chosen
  bool json = false, ignore_eos = false;
  bool chat = false;               // a conversation: see generate/chat.h
  std::string template_name;       // with chat: a template's name or YAML file; empty: the one that fits the model
  std::optional<std::string> system;  // with chat: the system message; none: the template's own
  bool terminal = false;           // with chat: `in` is a terminal
};

/// Continues the prompt; text is written as it is made. With `chat` the prompt is a user's message and its answer is
/// written; without a prompt the messages are the lines of `in`. Returns the exit code.
int generate(const GenerateRequest& request, std::istream& in, std::ostream& out);

}  // namespace ingot::workflows
