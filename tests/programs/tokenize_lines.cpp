#include <fmt/format.h>

#include <iostream>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "data/tokenizer.h"

namespace {

struct Arguments {
  std::string model;
  bool decode = false, special = false, skip_special = false;
};

Arguments parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--model" && i + 1 < words.size()) arguments.model = words[++i];
    arguments.decode |= words[i] == "--decode";
    arguments.special |= words[i] == "--add-special-tokens";
    arguments.skip_special |= words[i] == "--skip-special-tokens";
  }
  return arguments;
}

std::string answer(const ingot::data::Tokenizer& tokenizer, const Arguments& arguments, const std::string& line) {
  const auto input = ingot::parse_json(line, "standard input");
  if (arguments.decode)
    return ingot::Json(tokenizer.decode(input.get<std::vector<int32_t>>(), arguments.skip_special)).dump();
  const auto text = input.get<std::string>();
  return ingot::Json(arguments.special ? tokenizer.encode_with_special_tokens(text) : tokenizer.encode(text)).dump();
}

}  // namespace

/// JSON strings to JSON lists of ids, a line each, or back with --decode.
int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  try {
    const Arguments arguments = parse({argv + 1, argv + argc});
    const auto tokenizer = ingot::data::load_tokenizer(arguments.model);
    for (std::string line; std::getline(std::cin, line);) std::cout << answer(*tokenizer, arguments, line) << '\n';
    return ingot::kExitOk;
  } catch (const ingot::Error& error) {
    std::cerr << error.what() << '\n';
    return error.exit_code();
  }
}
