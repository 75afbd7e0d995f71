#include "core/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"
#include "core/utf8.h"

namespace ingot {
namespace {

constexpr int kMostLevels = 32;
constexpr size_t kMostNodes = 100'000, kMostBytes = size_t{1} << 20;

struct TreeReader {
  std::string source;
  size_t num_nodes = 0;

  [[noreturn]] void fail(const std::string& problem) const { throw ConfigError(fmt::format("{}: {}", source, problem)); }

  std::string text(const YAML::Node& scalar) const {
    if (!is_utf8(scalar.Scalar())) fail(fmt::format("found {}, wanted UTF-8", in_quotes(scalar.Scalar())));
    return scalar.Scalar();
  }

  Json read(const YAML::Node& node, int level) {
    if (level > kMostLevels) fail(fmt::format("found more than {} levels", kMostLevels));
    if (++num_nodes > kMostNodes) fail(fmt::format("found more than {} nodes", kMostNodes));
    if (node.IsScalar()) return text(node);
    if (node.IsSequence()) {
      Json list = Json::array();
      for (const auto& item : node) list.push_back(read(item, level + 1));
      return list;
    }
    if (!node.IsMap()) return nullptr;
    Json map = Json::object();
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) fail("found a key that is no text");
      map[text(pair.first)] = read(pair.second, level + 1);
    }
    return map;
  }
};

}  // namespace

Json read_yaml_tree(const std::filesystem::path& file) {
  std::string text;
  try {
    text = read_file(file, kMostBytes);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  }
  try {
    return TreeReader{file.string()}.read(YAML::Load(text), 0);
  } catch (const YAML::Exception& error) {
    throw ConfigError(fmt::format("{}: {}", file.string(), printable(error.what())));
  }
}

}  // namespace ingot
