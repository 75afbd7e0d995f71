#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "model/causal_lm.h"
#include "model/family.h"
#include "places.h"
#include "published_config.h"

namespace ingot::model {
namespace {

using Row = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> cells;
  for (std::string cell; std::getline(stream, cell, '\t');) cells.push_back(cell);
  return cells;
}

/// The rows of a table of tab-separated columns, by the names in its first line.
std::vector<Row> read_table(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  const auto names = split(line);
  std::vector<Row> rows;
  while (std::getline(stream, line)) {
    const auto cells = split(line);
    for (size_t i = 0; i < cells.size(); ++i) (i == 0 ? rows.emplace_back() : rows.back())[names.at(i)] = cells[i];
  }
  return rows;
}

/// config.json as the family would write what the table states.
Json config_of(const Row& row) {
  const auto number = [&](const char* column) { return std::stoll(row.at(column)); };
  return published_config({row.at("architecture"), number("num_hidden_layers"), number("hidden_size"),
                           number("num_attention_heads"), number("num_key_value_heads"), number("intermediate_size"),
                           number("vocab_size"), row.at("tie_word_embeddings") == "1"});
}

bool is_supported(const Row& row) {
  const auto fits = [&](const Family& family) { return family.model_type == row.at("model_type"); };
  return std::any_of(families().begin(), families().end(), fits);
}

TEST(PublishedSizes, EqualTheParametersOnTheMetaDevice) {
  const std::filesystem::path file = shared_folder() / "models.tsv";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no table of models at " << file;
  int checked = 0;
  for (const auto& row : read_table(file)) {
    if (!is_supported(row)) continue;
    const auto config = DecoderConfig::from_json(config_of(row), row.at("key"));
    const auto model = build_model(config, at::kBFloat16, "meta");
    EXPECT_EQ(model->parameters.num_elements(), std::stoll(row.at("params_total"))) << row.at("key");
    ++checked;
  }
  EXPECT_EQ(checked, 32);
}

}  // namespace
}  // namespace ingot::model
