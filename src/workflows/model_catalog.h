#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>

namespace ingot::workflows {

/// One of the 32 models that Ingot is built for.
struct CatalogModel {
  const char *key, *repository, *architecture;
  int64_t layers, hidden, heads, kv_heads, ffn, vocabulary, parameters;
};

std::span<const CatalogModel> model_catalog();

/// True when this version has the model's family.
bool is_trainable(const CatalogModel& model);

struct ModelsRequest {
  bool json = false;
};

/// Prints the catalog as a table, or as a JSON list. Returns the exit code.
int print_models(const ModelsRequest& request, std::ostream& out);

}  // namespace ingot::workflows
