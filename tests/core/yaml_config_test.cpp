#include "core/yaml_config.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"

namespace ingot {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(YamlConfig, ReadsEveryKindOfValue) {
  auto yaml = YamlConfig::from_text("a: 3\nb: 1e-4\nc: yes\nd: text\ne: [x, y]\nf: p, q\ng:\n", "run.yaml");
  int64_t a = 0;
  double b = 0;
  bool c = false;
  std::string d, g = "default";
  std::vector<std::string> e, f;
  yaml.read("a", a), yaml.read("b", b), yaml.read("c", c), yaml.read("d", d), yaml.read("e", e), yaml.read("f", f), yaml.read("g", g);
  yaml.finish();
  EXPECT_EQ(a, 3);
  EXPECT_EQ(b, 1e-4);
  EXPECT_TRUE(c);
  EXPECT_EQ(d, "text");
  EXPECT_EQ(e, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(f, (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(g, "default");
}

TEST(YamlConfig, WhatIsInEffectReadsAsTheSameConfiguration) {
  const auto in_effect = [](const std::string& text) {
    auto yaml = YamlConfig::from_text(text, "run.yaml");
    int64_t steps = 7;
    double rate = 1e-8;
    bool flag = true;
    std::string name = "a: \"b\"\n";
    std::vector<std::string> files;
    std::vector<double> weights;
    std::map<std::string, std::string> columns;
    yaml.read("steps", steps), yaml.read("rate", rate), yaml.read("flag", flag), yaml.read("name", name), yaml.read("files", files);
    yaml.read("weights", weights), yaml.read("columns", columns);
    yaml.finish();
    return yaml.in_effect();
  };
  const std::string first = in_effect("steps: 3\nflag: no\nfiles: x, y\nweights: 2, 0.5\ncolumns: {a: {b: c}}\n");
  EXPECT_EQ(first, "steps: 3\nrate: 1e-08\nflag: false\nname: \"a: \\\"b\\\"\\n\"\nfiles: [\"x\",\"y\"]\n"
                   "weights: [2.0,0.5]\ncolumns: {\"a.b\":\"c\"}\n");
  EXPECT_EQ(in_effect(first), first);
}

TEST(YamlConfig, RefusesKeysThatHaveNoPlaceAndLeavesThemOut) {
  const auto read = [](const std::string& text) {
    auto yaml = YamlConfig::from_text(text, "run.yaml");
    int64_t rank = 8, steps = 1;
    yaml.read("rank", rank), yaml.read("steps", steps);
    yaml.refuse({"rank"}, "found beside an adapter");
    yaml.finish();
    return yaml.in_effect();
  };
  EXPECT_EQ(read("steps: 2\n"), "steps: 2\n");
  EXPECT_EQ(message_of([&] { read("rank: 4\n"); }), "run.yaml: rank: found beside an adapter");
}

TEST(YamlConfig, ReadsANumberThatMayBeAbsent) {
  const auto read = [](const std::string& text, std::string& in_effect) {
    auto yaml = YamlConfig::from_text(text, "run.yaml");
    std::optional<double> weight;
    yaml.read("weight", weight);
    yaml.finish();
    in_effect = yaml.in_effect();
    return weight;
  };
  std::string in_effect;
  EXPECT_EQ(read("weight: 0\n", in_effect), 0.0);
  EXPECT_EQ(read("", in_effect), std::nullopt);
  EXPECT_EQ(in_effect, "weight: null\n");
  EXPECT_EQ(read(in_effect, in_effect), std::nullopt);
}

TEST(YamlConfig, NamesTheNearestKnownKey) {
  auto yaml = YamlConfig::from_text("learning_rat: 1\n", "run.yaml");
  double rate = 0;
  yaml.read("learning_rate", rate);
  EXPECT_EQ(message_of([&] { yaml.finish(); }),
            "run.yaml: learning_rat: unknown key (line 1), did you mean learning_rate?");
}

TEST(YamlConfig, ReportsAllProblemsAtOnce) {
  auto yaml = YamlConfig::from_text("steps: many\nrate: .nan\nflag: 2\nnested: {a: 1}\ndeep: [[1]]\n", "run.yaml");
  int64_t steps = 0;
  double rate = 0;
  bool flag = false;
  yaml.read("steps", steps), yaml.read("rate", rate), yaml.read("flag", flag), yaml.read("nested", steps);
  const std::string message = message_of([&] { yaml.finish(); });
  for (const char* part : {"5 problems", "steps: found \"many\" (line 1), wanted a whole number", "rate: found \".nan\"",
                           "flag: found \"2\"", "nested: found a mapping (line 4), wanted one value", "deep: found a nested value"})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
}

TEST(YamlConfig, RefusesWhatIsNotAFlatMapping) {
  EXPECT_THROW(YamlConfig::from_text("- a\n- b\n", "run.yaml"), ConfigError);
  EXPECT_THROW(YamlConfig::from_text("a: [", "run.yaml"), ConfigError);
  EXPECT_THROW(YamlConfig("/no/such/file.yaml", {}), ConfigError);
}

TEST(YamlConfig, ReadsAMappingAlsoFromJsonInAText) {
  auto yaml = YamlConfig::from_text("a: {x: p, tags: {y: q}}\nb: '{\"x\": \"p\", \"tags\": {\"y\": \"q\"}}'\n", "run.yaml");
  std::map<std::string, std::string> a, b;
  yaml.read("a", a), yaml.read("b", b);
  yaml.finish();
  EXPECT_EQ(a, (std::map<std::string, std::string>{{"x", "p"}, {"tags.y", "q"}}));
  EXPECT_EQ(b, a);
}

TEST(YamlConfig, RefusesAMappingOfOtherThanTexts) {
  for (const char* wrong : {"a: text\n", "a: [x]\n", "a: {x: [1]}\n", "a: '{x: {y: {z: 1}}}'\n", "a: '{'\n"}) {
    auto yaml = YamlConfig::from_text(wrong, "run.yaml");
    std::map<std::string, std::string> a;
    yaml.read("a", a);
    EXPECT_THROW(yaml.finish(), ConfigError) << wrong;
  }
}

TEST(YamlConfig, ReadsAListOfNumbers) {
  auto yaml = YamlConfig::from_text("a: [1, 0.5]\nb: [1, x]\n", "run.yaml");
  std::vector<double> a, b;
  yaml.read("a", a), yaml.read("b", b);
  EXPECT_EQ(a, (std::vector<double>{1, 0.5}));
  EXPECT_NE(message_of([&] { yaml.finish(); }).find("b: found \"x\", wanted finite numbers"), std::string::npos);
}

TEST(YamlConfig, RefusesAKeyGivenTwice) {
  auto yaml = YamlConfig::from_text("a: 1\na: 2\n", "run.yaml");
  EXPECT_NE(message_of([&] { yaml.finish(); }).find("given twice"), std::string::npos);
}

/// yaml-cpp's own loop over documents does not end on some of these, and takes all memory.
TEST(YamlConfig, RefusesTextsThatDoNotGoOn) {
  for (const char* text : {",", "a: 1\n,\n", "]", "}", "a: 1\n]\n", "a: [1\n", "? ,", "--- ,", "a: 1\n...\n,"})
    EXPECT_NE(message_of([&] { YamlConfig::from_text(text, "run.yaml"); }), "no error") << text;
}

TEST(YamlConfig, IsOneDocument) {
  EXPECT_NE(message_of([] { YamlConfig::from_text("a: 1\n---\nb: 2\n", "run.yaml"); }).find("found 2 YAML documents"), std::string::npos);
  for (const char* text : {"---\na: 1\n", "a: 1\n---\n", "a: 1\n...\n", "---\na: 1\n...\n---\n---\n", "", "# nothing\n"})
    EXPECT_EQ(message_of([&] { YamlConfig::from_text(text, "run.yaml"); }), "no error") << text;
}

TEST(NearestWord, FindsASlipAndLeavesOtherWordsAlone) {
  const std::vector<std::string> known{"max_steps", "save_steps", "seed"};
  EXPECT_EQ(nearest_word("max_step", known), "max_steps");
  EXPECT_EQ(nearest_word("sed", known), "seed");
  EXPECT_EQ(nearest_word("tokenizer", known), "");
}

}  // namespace
}  // namespace ingot
