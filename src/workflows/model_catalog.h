#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string_view>

#include "model/decoder_config.h"

namespace ingot::workflows {

/// One of the 32 models that Ingot is built for.
struct CatalogModel {
  const char *key, *repository, *architecture;
  int64_t layers, hidden, heads, kv_heads, ffn, vocabulary, parameters;
  bool tied = false;  // its head is its embedding
};

std::span<const CatalogModel> model_catalog();

/// The model of that key; null when there is none.
const CatalogModel* find_catalog_model(std::string_view key);

/// Its sizes and switches, as its family reads them from a config.json that states what the catalog does.
model::DecoderConfig catalog_config(const CatalogModel& model);

/// True when this version has the model's family.
bool is_trainable(const CatalogModel& model);

struct ModelsRequest {
  bool json = false;
};

/// Prints the catalog as a table, or as a JSON list. Returns the exit code.
int print_models(const ModelsRequest& request, std::ostream& out);

}  // namespace ingot::workflows
