#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "data/chat/chat_template.h"
#include "data/sft/sft_samples.h"

namespace ingot::data {

/// A preprocessed SFT data set with what it was made with.
struct SftSet {
  /// `model` stands for the model folder named in the ledger when it is not empty. Throws ConfigError when the set is not
  /// there, DataError when its ledger is damaged.
  SftSet(const std::filesystem::path& prefix, const std::filesystem::path& model);
  std::string source_of(uint64_t sample) const;  // "file:row"
  /// Throws DataError naming the file that holds an id which the tokenizer does not have.
  SftSample read(uint64_t sample) const;
  std::filesystem::path prefix;
  Json ledger;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat;
  SftSamples samples;
};

/// What training on the set would not teach, or what is wrong with its template. Looks at up to a thousand samples.
std::vector<std::string> warnings_of(const SftSet& set);

/// The same for one sample.
std::vector<std::string> warnings_of(const SftSet& set, const SftSample& sample);

}  // namespace ingot::data
