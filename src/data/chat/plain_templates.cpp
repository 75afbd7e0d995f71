// Templates that are nothing but formats: those of no family, and those of families outside the 32 models whose names
// preprocessing scripts use.
#include "data/chat/chat_formats.h"

namespace ingot::data {
namespace {

std::vector<ChatFormats> plain_formats() {
  const ChatFormats deepseek2{.name = "deepseek2", .prefix = "{bos}", .system = "{content}\n\n",
                              .user = "User: {content}\n\nAssistant:"};
  ChatFormats deepseek2_lite = deepseek2;
  deepseek2_lite.name = "deepseek2-lite";
  return {
      {.name = "default", .system = "{content}\n", .user = "Human: {content}\nAssistant:", .separator = "\n"},
      {.name = "empty"},
      {.name = "alpaca",
       .system = "{content}\n\n",
       .user = "### Instruction:\n{content}\n\n### Response:\n",
       .separator = "\n\n",
       .default_system = "Below is an instruction that describes a task. Write a response that appropriately completes "
                         "the request."},
      {.name = "chatglm2",
       .prefix = "{token:[gMASK]}{token:sop}",
       .user = "[Round {round}]\n\n问：{content}\n\n答：",
       .assistant = "{content}",
       .efficient_eos = true},
      {.name = "cpm", .prefix = "{bos}", .user = "{token:<用户>}{content}{token:<AI>}"},
      deepseek2,
      deepseek2_lite,
      {.name = "gemma",
       .prefix = "{bos}",
       .user = "{token:<start_of_turn>}user\n{content}{token:<end_of_turn>}\n{token:<start_of_turn>}model\n",
       .stop = {"<end_of_turn>"}},
  };
}

}  // namespace

std::unique_ptr<ChatTemplate> make_plain(const std::string& name, const ChatOptions& options) {
  for (const auto& formats : plain_formats())
    if (formats.name == name) return make_formatted(formats, options);
  return nullptr;
}

}  // namespace ingot::data
