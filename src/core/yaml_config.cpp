#include "core/yaml_config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/printable.h"
#include "core/utf8.h"
#include "core/words.h"
#include "core/yaml_documents.h"

namespace ingot {
namespace {

constexpr const char* kSet = "--set";
constexpr size_t kManyDocuments = 16;  // where counting ends

template <class Number>
bool parse_number(const std::string& text, Number& value) {
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const size_t first = text.find_first_not_of(' ', begin), last = text.find_last_not_of(' ', end == 0 ? 0 : end - 1);
    if (first < end) parts.push_back(text.substr(first, last - first + 1));
    begin = end + 1;
  }
  return parts;
}

/// Puts the texts of a mapping into `fields`, those of a mapping in it under "outer.inner"; false for anything else in it.
bool fill_fields(const YAML::Node& mapping, const std::string& outer, std::map<std::string, std::string>& fields) {
  for (const auto& pair : mapping) {
    if (!pair.first.IsScalar()) return false;
    const std::string name = outer + pair.first.Scalar();
    if (pair.second.IsScalar()) fields[name] = pair.second.Scalar();
    else if (!outer.empty() || !pair.second.IsMap() || !fill_fields(pair.second, name + ".", fields)) return false;
  }
  return true;
}

/// The texts of a scalar, a list of scalars or a mapping; false for anything else.
bool fill(const YAML::Node& node, std::vector<std::string>& items, std::map<std::string, std::string>& fields) {
  if (node.IsMap()) return fill_fields(node, "", fields);
  if (node.IsScalar()) items = {node.Scalar()};
  if (!node.IsSequence()) return true;
  for (const auto& item : node) {
    if (!item.IsScalar()) return false;
    items.push_back(item.Scalar());
  }
  return true;
}

/// The first text that is not UTF-8: it could not be written into the JSON files of a run.
const std::string* find_foreign(const std::vector<std::string>& items, const std::map<std::string, std::string>& fields) {
  for (const auto& item : items)
    if (!is_utf8(item)) return &item;
  for (const auto& [name, field] : fields)
    if (!is_utf8(name) || !is_utf8(field)) return &field;
  return nullptr;
}

/// A value of a command line as YAML reads it in a file; one without quotes or brackets is all text, where YAML would see a comment.
std::string plain_or_quoted(const std::string& value) {
  if (value.find_first_of("\r\n") != std::string::npos)
    throw ConfigError(fmt::format("--set: found {}, wanted a value of one line", in_quotes(value)));
  const size_t first = value.find_first_not_of(' ');
  const bool is_plain = first != std::string::npos && std::string_view("\"'[{&*!|>#").find(value[first]) == std::string_view::npos;
  return is_plain && value.find(" #") != std::string::npos ? Json(value).dump() : value;
}

}  // namespace

YamlConfig::YamlConfig(const std::filesystem::path& file, const std::vector<std::string>& overrides)
    : source_(file.string()) {
  std::string text;
  try {
    text = read_file(file, size_t{16} << 20);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  }
  parse(text, "");
  for (const auto& override_text : overrides) {
    const size_t equals = override_text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw ConfigError(fmt::format("--set: found \"{}\", wanted key=value", override_text));
    const std::string key = override_text.substr(0, equals);
    entries_.erase(key);
    parse(key + ": " + plain_or_quoted(override_text.substr(equals + 1)), kSet);
  }
}

YamlConfig YamlConfig::from_text(const std::string& text, const std::string& source) {
  YamlConfig config(source);
  config.parse(text, "");
  return config;
}

void YamlConfig::parse(const std::string& text, const std::string& where) {
  YAML::Node root;
  try {
    if (const size_t documents = count_yaml_documents(text, kManyDocuments); documents > 1)
      throw ConfigError(fmt::format("{}: found {}{} YAML documents, wanted one: what follows a second --- or ... would not count",
                                    where.empty() ? source_ : where, documents, documents == kManyDocuments ? " or more" : ""));
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw ConfigError(fmt::format("{}: not valid YAML: {}", where.empty() ? source_ : where + " " + text, error.what()));
  }
  if (root.IsNull()) return;
  if (!root.IsMap()) throw ConfigError(fmt::format("{}: wanted a mapping of key: value lines", source_));
  for (const auto& pair : root) {
    const std::string key = pair.first.IsScalar() ? pair.first.Scalar() : "";
    Entry entry;
    entry.where = where.empty() ? fmt::format("line {}", pair.first.Mark().line + 1) : where;
    if (key.empty() || !fill(pair.second, entry.items, entry.fields))
      problems_.add(fmt::format("{}: found a nested value ({}), wanted a scalar or a list", key, entry.where));
    else if (entries_.contains(key)) problems_.add(fmt::format("{}: given twice ({})", key, entry.where));
    else if (pair.second.IsNull()) known_.push_back(key);  // `key:` with nothing behind it keeps the default
    else {
      if (const auto* foreign = find_foreign(entry.items, entry.fields))
        problems_.add(fmt::format("{}: found {} ({}), wanted UTF-8", key, in_quotes(*foreign), entry.where));
      entry.is_list = pair.second.IsSequence(), entry.is_map = pair.second.IsMap();
      entries_[key] = std::move(entry);
    }
  }
}

void YamlConfig::rename(const std::string& alias, const std::string& key) {
  known_.push_back(alias);
  const auto given = entries_.extract(alias);
  if (!given) return;
  const auto [same, is_new] = entries_.try_emplace(key, given.mapped());
  if (is_new) return;
  const bool is_set = given.mapped().where == kSet, other_is_set = same->second.where == kSet;
  if (is_set && !other_is_set) same->second = given.mapped();
  else if (is_set == other_is_set)
    problems_.add(fmt::format("{}: given ({}) beside {} ({}), which is the same key", alias, given.mapped().where, key, same->second.where));
}

const YamlConfig::Entry* YamlConfig::find(const std::string& key) {
  known_.push_back(key);
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

const YamlConfig::Entry* YamlConfig::scalar(const std::string& key) {
  const Entry* entry = find(key);
  if (!entry || (!entry->is_list && !entry->is_map)) return entry;
  problems_.add(fmt::format("{}: found a {} ({}), wanted one value", key, entry->is_map ? "mapping" : "list", entry->where));
  return nullptr;
}

void YamlConfig::wrong_type(const std::string& key, const Entry& entry, const std::string& wanted) {
  problems_.add(fmt::format("{}: found \"{}\" ({}), wanted {}", key, entry.items.at(0), entry.where, wanted));
}

void YamlConfig::note(const std::string& key, const Json& value) {
  std::erase_if(in_effect_, [&](const auto& line) { return line.first == key; });
  in_effect_.emplace_back(key, value);
}

std::string YamlConfig::in_effect() const {
  std::string text;
  for (const auto& [key, value] : in_effect_)
    text += fmt::format("{}: {}\n", key, json_text(value));
  return text;
}

void YamlConfig::refuse(const std::vector<std::string>& keys, const std::string& why) {
  for (const auto& key : keys) {
    if (contains(key)) problems_.add(fmt::format("{}: {}", key, why));
    std::erase_if(in_effect_, [&](const auto& line) { return line.first == key; });
  }
}

void YamlConfig::read(const std::string& key, std::string& value) {
  if (const Entry* entry = scalar(key)) value = entry->items.at(0);
  note(key, value);
}

void YamlConfig::read(const std::string& key, std::filesystem::path& value) {
  if (const Entry* entry = scalar(key)) value = entry->items.at(0);
  note(key, value.string());
}

void YamlConfig::read(const std::string& key, int64_t& value) {
  const Entry* entry = scalar(key);
  if (entry && !parse_number(entry->items[0], value)) wrong_type(key, *entry, "a whole number");
  note(key, value);
}

void YamlConfig::read(const std::string& key, uint64_t& value) {
  const Entry* entry = scalar(key);
  if (entry && !parse_number(entry->items[0], value)) wrong_type(key, *entry, "a whole number, 0 or more");
  note(key, value);
}

void YamlConfig::read(const std::string& key, double& value) {
  const Entry* entry = scalar(key);
  double number = value;
  if (entry && (!parse_number(entry->items[0], number) || number != number || number - number != 0))
    wrong_type(key, *entry, "a finite number");
  else value = number;
  note(key, value);
}

void YamlConfig::read(const std::string& key, std::optional<double>& value) {
  if (contains(key)) return read(key, value.emplace());
  known_.push_back(key);
  note(key, value ? Json(*value) : Json());
}

void YamlConfig::read(const std::string& key, bool& value) {
  const Entry* entry = scalar(key);
  const std::string text = lower_case(entry ? entry->items[0] : value ? "true" : "false");
  if (text == "true" || text == "yes" || text == "on") value = true;
  else if (text == "false" || text == "no" || text == "off") value = false;
  else wrong_type(key, *entry, "true or false");
  note(key, value);
}

const YamlConfig::Entry* YamlConfig::list(const std::string& key) {
  const Entry* entry = find(key);
  if (!entry || !entry->is_map) return entry;
  problems_.add(fmt::format("{}: found a mapping ({}), wanted a list", key, entry->where));
  return nullptr;
}

void YamlConfig::read(const std::string& key, std::vector<std::string>& value) {
  if (const Entry* entry = list(key)) value = entry->is_list ? entry->items : split_commas(entry->items.at(0));
  note(key, value);
}

void YamlConfig::read(const std::string& key, Texts& value) {
  if (const Entry* entry = list(key)) value.assign(entry->items.begin(), entry->items.end());
  note(key, value);
}

void YamlConfig::read(const std::string& key, std::vector<double>& value) {
  std::vector<std::string> items;
  read(key, items);
  std::vector<double> numbers;
  for (const auto& item : items) {
    double number = 0;
    if (parse_number(item, number) && number - number == 0) numbers.push_back(number);
    else problems_.add(fmt::format("{}: found \"{}\", wanted finite numbers", key, item));
  }
  if (!items.empty()) value = numbers;
  note(key, value);
}

void YamlConfig::read(const std::string& key, std::map<std::string, std::string>& value) {
  const Entry* entry = find(key);
  if (!entry) return note(key, value);
  std::map<std::string, std::string> fields = entry->fields;
  std::vector<std::string> none;
  bool is_map = entry->is_map;
  if (!is_map && !entry->is_list) try {
    const YAML::Node node = YAML::Load(entry->items.at(0));
    is_map = node.IsMap() && fill(node, none, fields);
  } catch (const YAML::Exception&) {
    is_map = false;
  }
  if (is_map) value = std::move(fields);
  else problems_.add(fmt::format("{}: found \"{}\" ({}), wanted a mapping", key, fmt::join(entry->items, ", "), entry->where));
  note(key, value);
}

void YamlConfig::finish() {
  for (const auto& [key, entry] : entries_) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string near = nearest_word(key, known_);
    problems_.add(fmt::format("{}: unknown key ({}){}", key, entry.where,
                              near.empty() ? "" : fmt::format(", did you mean {}?", near)));
  }
  problems_.throw_if_any(source_);
}

}  // namespace ingot
