#pragma once

#include <memory>
#include <optional>
#include <string>

#include "checkpoint/hf_folder.h"
#include "hub/model_description.h"

namespace ingot::hub {

/// A Hugging Face model folder with its weights, opened once as ModelDescription says.
class ModelFolder : public ModelDescription {
 public:
  using ModelDescription::ModelDescription;

  /// stated_config, with what the weights decide where the folder has some: a head that lies there with other values than the
  /// embedding is not tied to it, whatever tie_word_embeddings says; a line tells so. Source: transformers 5, tie_weights.
  const model::DecoderConfig& config() const;

  /// From here on the model has `rows` ids: the configs say so, and so do parameter() and the run's files.
  void grow_vocabulary(int64_t rows);
  /// The ids that grow_vocabulary asked for.
  std::optional<int64_t> grown_vocabulary() const { return grown_; }

  /// Throws DataError as HfWeights does, and where there are none.
  const checkpoint::HfWeights& weights() const;
  /// XXH3 over the names, types, shapes and values of all weights, however they are split into files: fast, and no protection
  /// against one who means harm. From 1 GiB on, of each tensor's first, middle and last MiB.
  const std::string& weights_digest() const;
  /// The name under which a parameter lies in the weights: its own, or a tied embedding's that of the head when only the head
  /// is there.
  std::string stored_name(const std::string& parameter) const;
  /// A parameter's value as it is stored; the embedding and the head of a vocabulary that has grown with the mean of their rows
  /// in every new row.
  at::Tensor parameter(const std::string& name) const;
  /// Its shape, from the header of its file alone.
  Shape parameter_shape(const std::string& name) const;

 private:
  bool grows(const std::string& parameter, const Shape& shape) const;
  mutable std::optional<model::DecoderConfig> config_;
  mutable std::unique_ptr<const checkpoint::HfWeights> weights_;
  mutable std::string weights_digest_;
};

}  // namespace ingot::hub
