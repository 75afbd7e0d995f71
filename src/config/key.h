#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/train_config.h"

namespace ingot::config {

/// Where the value of a key stands in a configuration.
template <class T>
using Place = std::function<T&(TrainConfig&)>;
using Field = std::variant<Place<std::string>, Place<std::filesystem::path>, Place<int64_t>, Place<uint64_t>, Place<double>,
                           Place<std::optional<double>>, Place<bool>, Place<std::vector<std::string>>, Place<std::vector<double>>, Place<Texts>,
                           Place<std::map<std::string, std::string>>>;

template <class T>
Field field(T TrainConfig::*member) {
  return Place<T>([member](TrainConfig& config) -> T& { return config.*member; });
}
template <class Part, class T>
Field field(Part TrainConfig::*part, T Part::*member) {
  return Place<T>([part, member](TrainConfig& config) -> T& { return config.*part.*member; });
}

/// The values that a key may have; of a list each of them.
struct Range {
  double least = -std::numeric_limits<double>::infinity(), most = std::numeric_limits<double>::infinity();
  bool above = false, below = false;    // `least`, `most` are not among them
  std::vector<std::string> choices;     // of a text; none: any
  bool holds(double value) const;
  bool holds(const std::string& value) const;
  std::string text() const;             // "0 or more and below 1"
};
Range at_least(double least);
Range more_than(double least);
Range between(double least, double most);
Range share_below_1();                  // 0 or more and below 1
Range one_of(std::vector<std::string> choices);

/// A text in the languages of the documents.
struct Words {
  std::string_view english, chinese;
};

/// Everything about one key of a configuration: reading, checks, hints, documents, schema and completion follow from it.
struct Key {
  std::string_view name;
  Field field;                             // its default is that of TrainConfig{}
  Words meaning;                           // Markdown
  Words absent = {};                       // what stands for the default in documents where its value does not say it
  bool required = false;
  Range range = {};
  std::string_view stage = {};             // pt or sft where the other stage has no use for it
  std::vector<std::string_view> aliases = {};  // what LLaMA-Factory, the Hugging Face Trainer, TRL, PEFT or Megatron call it
  std::string_view environment = {};       // ModelArts' variable. Source: CONTRACT §2
};

struct SectionKeys {
  std::string_view id;  // marks its table in the documents
  std::vector<Key> keys;
};

/// All keys in the order of the documents.
const std::vector<SectionKeys>& key_table();

/// The key of that name or alias; null when there is none.
const Key* find_key(std::string_view name_or_alias);

// One a file, keys_model.cpp ...
std::vector<Key> model_keys();
std::vector<Key> lora_keys();
std::vector<Key> data_keys();
std::vector<Key> conversation_keys();
std::vector<Key> step_keys();
std::vector<Key> optimizer_keys();
std::vector<Key> output_keys();

}  // namespace ingot::config
