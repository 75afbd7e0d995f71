#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "core/json.h"
#include "core/log.h"
#include "data/sft/preprocess_sft.h"
#include "data/sft/record_handler.h"
#include "data/shards/indexed_layout.h"
#include "line_chat.h"

namespace ingot::data {
namespace {

constexpr int kRecords = 10'000;
const std::vector<std::string> kHandlers{"auto", "alpaca", "sharegpt", "openai", "moss", "moss_per_turn"};

/// Records that are nearly sound, by a seed.
class Fuzzer {
 public:
  explicit Fuzzer(uint32_t seed) : random_(seed) {}

  std::string record() {
    switch (below(8)) {
      case 0: return value(3);
      case 1:
      case 2: return object({{"instruction", text()}, {"input", text()}, {"output", text()}, {"history", pairs()}, {"system", text()}});
      case 3:
      case 4: return object({{"conversations", messages("from", "value", {"human", "gpt", "system", "observation", "function_call", "robot"})},
                             {"tools", tools(text())}, {"system", text()}});
      case 5: return object({{"messages", messages("role", "content", {"user", "assistant", "system", "tool", "developer"})}, {"tools", tools(value(2))}});
      default: return object({{"chat", turns()}, {"meta_instruction", text()}});
    }
  }

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  uint32_t below(uint32_t limit) { return random_() % limit; }

  /// Mostly a sound text, else anything that may stand in its place.
  std::string text() {
    static const std::vector<std::string> odd{"\"\"", "\" \"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\u0000\"", "null", "1e999", "-0", "true",
                                              "[]", "{}", "\"<|im_end|>\"", "\"<eoh><eom>\"", "\"\\ud83d\\ude00\"", "\"\xff\"", "\"\x01\"", "\"open"};
    if (below(25) == 0) return odd[below(static_cast<uint32_t>(odd.size()))];
    return "\"text " + std::to_string(below(1000)) + std::string(below(60), 'x') + "\"";
  }
  /// What is an ordinary text becomes a list without tools.
  static std::string tools(const std::string& value) { return value.starts_with("\"text") ? "\"[]\"" : value; }
  std::string value(int depth) {
    if (depth == 0 || below(2) == 0) return text();
    if (below(2) == 0) return list(below(4), [&] { return value(depth - 1); });
    return object({{"a", value(depth - 1)}, {"role", text()}, {"function", value(depth - 1)}});
  }
  template <class Element>
  static std::string list(uint32_t count, const Element& element) {
    std::string json = "[";
    for (uint32_t i = 0; i < count; ++i) json += (i ? "," : "") + element();
    return json + "]";
  }
  /// Some fields are left out, doubled, or of another kind.
  std::string object(const Fields& fields) {
    std::string json;
    for (const auto& [key, member] : fields) {
      const uint32_t fate = below(20);
      if (fate == 0) continue;
      for (uint32_t times = fate == 1 ? 2 : 1; times > 0; --times)
        json += (json.empty() ? "" : ",") + ("\"" + key + "\":") + (fate == 2 ? value(2) : member);
    }
    const std::string whole = "{" + json + "}";
    return below(200) == 0 ? whole.substr(0, below(static_cast<uint32_t>(whole.size()))) : whole;
  }
  std::string pairs() {
    return list(below(3), [&] { return list(below(10) == 0 ? below(4) : 2, [&] { return text(); }); });
  }
  std::string messages(const std::string& role, const std::string& content, const std::vector<std::string>& roles) {
    uint32_t place = 0;
    return list(below(8), [&] {
      const uint32_t chosen = below(12) == 0 ? below(static_cast<uint32_t>(roles.size())) : place++ % 2;
      return object({{role, "\"" + roles[chosen] + "\""}, {content, text()}, {"tool_calls", below(20) == 0 ? value(3) : "null"}});
    });
  }
  std::string turns() {
    Fields fields;
    for (uint32_t turn = 0; turn < below(5); ++turn)
      fields.push_back({"turn_" + std::to_string(turn), object({{"Human", text()}, {"MOSS", text()}, {"Commands", text()}})});
    return object(fields);
  }

  std::mt19937 random_;
};

TEST(SftFuzz, EveryHandlerGivesConversationsOrAReason) {
  Fuzzer fuzzer(1);
  std::map<std::string, int> read;
  for (int i = 0; i < kRecords; ++i) {
    const std::string record = fuzzer.record();
    for (const auto& name : kHandlers) {
      const auto handled = make_record_handler(name, {})->handle(record);
      ASSERT_NE(handled.conversations.empty(), handled.reason.empty()) << name << " of " << record;
      read[name] += !handled.conversations.empty();
    }
  }
  for (const auto& name : kHandlers) EXPECT_GT(read[name], 60) << name;  // the records are not all hopeless
}

std::string long_record(const std::string& key, size_t bytes) {
  return "{\"instruction\":\"q\",\"" + key + "\":\"" + std::string(bytes, 'x') + "\"" + (key == "output" ? "}" : ",\"output\":\"a\"}");
}

TEST(SftFuzz, TheLedgerAccountsForEveryRecord) {
  set_quiet(true);
  const ScratchFolder folder;
  {
    Fuzzer fuzzer(2);
    std::ofstream file(folder / "in.jsonl", std::ios::binary);
    for (int i = 0; i < kRecords - 3; ++i) file << fuzzer.record() << "\n";
    for (const char* key : {"input", "output", "other"}) file << long_record(key, size_t{10} << 20) << "\n";
  }
  SftPreprocessOptions options;
  options.inputs = {folder / "in.jsonl"};
  options.output_prefix = folder / "out";
  options.num_workers = 2;
  for (const auto& handler : kHandlers) {
    options.handler_name = handler;
    options.sample = {.cutoff_len = 64, .truncation = handler == "auto" ? Truncation::kCutPrompt : Truncation::kCutResponse};
    const auto report = preprocess_sft(options, LineChat(), ByteTokenizer());
    const Json ledger = read_json(ledger_path(folder / "out"));
    uint64_t samples = report.samples, tokens = report.tokens + report.cut_tokens;
    for (const auto& [reason, entry] : ledger["skipped"].items())
      samples += entry["samples"].get<uint64_t>(), tokens += entry["tokens"].get<uint64_t>();
    EXPECT_EQ(report.records, static_cast<uint64_t>(kRecords)) << handler;
    EXPECT_EQ(samples, report.records + ledger["further_samples"].get<uint64_t>()) << handler;
    EXPECT_EQ(tokens, ledger["tokens"]["rendered"]) << handler;
    EXPECT_LT(ledger["skipped"].size(), 120u) << handler;  // reasons are few, whatever the records hold
  }
}

}  // namespace
}  // namespace ingot::data
