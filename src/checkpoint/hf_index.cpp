#include "checkpoint/hf_index.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/printable.h"

namespace ingot::checkpoint {
namespace {

constexpr size_t kMaxIndexBytes = size_t{64} << 20;
constexpr int kMaxDepth = 8;

/// Sorted keys: an index may hold so many that an ordered_json would search too long for doubles.
nlohmann::json parse_index(const std::filesystem::path& index) {
  const auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > kMaxDepth) throw DataError(fmt::format("{}: nested deeper than {} levels", index.string(), kMaxDepth));
    return true;
  };
  try {
    return nlohmann::json::parse(read_file(index, kMaxIndexBytes), limit_depth);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: not valid JSON: {}", index.string(), printable(error.what())));
  }
}

}  // namespace

WeightMap read_weight_map(const std::filesystem::path& index) {
  const auto document = parse_index(index);
  const auto found = document.is_object() ? document.find("weight_map") : document.end();
  if (found == document.end() || !found->is_object() || found->empty())
    throw DataError(fmt::format("{}: no weight_map that names tensors", index.string()));
  WeightMap weight_map;
  for (const auto& [name, shard] : found->items()) {
    if (!shard.is_string())
      throw DataError(fmt::format("{}: weight_map of {} is no file name", index.string(), in_quotes(name)));
    weight_map.emplace(name, shard.get<std::string>());
  }
  return weight_map;
}

std::string format_index(const WeightMap& weight_map, const WeightTotals& totals) {
  const nlohmann::json document{
      {"metadata", {{"total_parameters", totals.parameters}, {"total_size", totals.bytes}}},
      {"weight_map", weight_map}};
  return document.dump(2, ' ', true) + "\n";
}

}  // namespace ingot::checkpoint
