#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/folder_files.h"
#include "data/tokenizer/tokenizer.h"
#include "model/decoder_config.h"

namespace ingot::hub {

/// What a Hugging Face model folder says besides its weights, opened once: whatever a job asks for is read when it is first asked
/// for, and kept. For one thread at a time. Needs no LibTorch. A path converts to it where one call alone reads the folder.
class ModelDescription {
 public:
  /// Throws ConfigError for the folder of a run, whose model lies deeper.
  ModelDescription(std::filesystem::path folder);
  const std::filesystem::path& path() const { return files_.path(); }
  /// Its files besides the weights.
  const FolderFiles& files() const { return files_; }
  bool has_weights() const;

  /// What config.json says; answers end at the ids of generation_config.json where it names some. Opens no weights.
  const model::DecoderConfig& stated_config() const;
  const data::Tokenizer& tokenizer() const;
  /// sha256 over the names and bytes of the tokenizer files: what makes two tokenizers "the same".
  const std::string& tokenizer_identity() const;

 protected:
  std::optional<int64_t> grown_;  // see ModelFolder::grow_vocabulary
  mutable std::optional<model::DecoderConfig> stated_config_;

 private:
  FolderFiles files_;
  mutable std::unique_ptr<const data::Tokenizer> tokenizer_;
  mutable std::string tokenizer_identity_;
};

}  // namespace ingot::hub
