#include "config/key_schema.h"

#include <cmath>

#include "config/key.h"

namespace ingot::config {
namespace {

template <class T>
Json types_of() {
  if (std::is_same_v<T, bool>) return "boolean";
  if (std::is_same_v<T, int64_t> || std::is_same_v<T, uint64_t>) return "integer";
  if (std::is_same_v<T, double> || std::is_same_v<T, std::optional<double>>) return "number";
  if (std::is_same_v<T, std::vector<std::string>> || std::is_same_v<T, Texts>) return {"array", "string"};  // "a,b" is a list too
  if (std::is_same_v<T, std::vector<double>>) return {"array", "number", "string"};
  if (std::is_same_v<T, std::map<std::string, std::string>>) return {"object", "string"};  // also as JSON in a text
  return "string";
}

Json or_null(Json types) {
  if (!types.is_array()) types = Json::array({types});
  types.push_back("null");
  return types;
}

Json to_json(const std::filesystem::path& value) { return value.string(); }
Json to_json(const Texts& value) { return std::vector<std::string>(value); }
Json to_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }
Json to_json(const auto& value) { return value; }

void add_range(const Range& range, Json& schema) {
  if (!std::isinf(range.least)) schema[range.above ? "exclusiveMinimum" : "minimum"] = range.least;
  if (!std::isinf(range.most)) schema[range.below ? "exclusiveMaximum" : "maximum"] = range.most;
}

/// The values of a list have the range, not the list.
void add_values(const Key& key, bool is_list, Json& schema) {
  Json one = Json::object();
  add_range(key.range, one);
  if (is_list) schema["items"] = one;
  else schema.update(one);
  if (key.range.choices.empty()) return;
  schema["enum"] = key.range.choices;
  schema["enum"].push_back(nullptr);
}

Json schema_of(const Key& key, std::string_view section, Language language) {
  TrainConfig defaults;
  Json schema = std::visit([&]<class T>(const Place<T>& place) -> Json {
    return {{"type", or_null(types_of<T>())}, {"default", to_json(place(defaults))}};
  }, key.field);
  const bool english = language == Language::kEnglish;
  schema["description"] = english ? key.meaning.english : key.meaning.chinese;
  add_values(key, std::holds_alternative<Place<std::vector<double>>>(key.field), schema);
  schema["x-section"] = section;
  if (!key.stage.empty()) schema["x-stage"] = key.stage;
  if (!key.environment.empty()) schema["x-environment"] = key.environment;
  if (!key.aliases.empty()) schema["x-aliases"] = key.aliases;
  if (!key.absent.english.empty()) schema["x-absent"] = english ? key.absent.english : key.absent.chinese;
  return schema;
}

}  // namespace

Json key_schema(Language language) {
  Json properties = Json::object(), required = Json::array();
  for (const auto& section : key_table())
    for (const auto& key : section.keys) {
      properties[std::string(key.name)] = schema_of(key, section.id, language);
      for (const auto alias : key.aliases) properties[std::string(alias)] = {{"$ref", "#/properties/" + std::string(key.name)}};
      if (key.required) required.push_back(key.name);
    }
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "Ingot configuration"},
          {"type", "object"},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

}  // namespace ingot::config
