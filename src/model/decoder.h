#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/causal_lm.h"
#include "model/decoder_layer.h"
#include "model/family.h"
#include "model/rope_table.h"
#include "model/sharded_values.h"

namespace ingot::model {

/// Embedding, pre-norm layers, final norm and head: every family's model. Parameters have the family's names.
class Decoder : public CausalLm {
 public:
  Decoder(const DecoderConfig& config, const Family& family, at::ScalarType dtype, const std::string& device, const parallel::Mesh& mesh);
  HiddenStates run_stage(int64_t chunk, const ModelInput& input, HiddenStates before) const override;
  Head head() const override;
  at::Tensor logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const override;

 private:
  struct Block {
    std::string name;
    DecoderLayer layer;
    ValueUnit values;
  };
  TensorPart part_of(const ParameterSpec& spec, const parallel::Mesh& mesh) const;
  void shard_weights(const parallel::Mesh& mesh);
  ValueUnit unit_of(const std::string& module) const;
  std::span<const Block> blocks_of(int64_t chunk) const;
  at::Tensor embed(const at::Tensor& tokens) const;
  at::Tensor counted_here(const at::Tensor& counted) const;
  at::Tensor finished(const at::Tensor& x, const Pass& pass) const;
  at::Tensor rows_of(const at::Tensor& table, const at::Tensor& tokens) const;
  LayerOutput run(const Block& block, const at::Tensor& x, const Pass& pass) const;
  void observe(const std::string& name, const at::Tensor& output) const;

  const Family& family_;
  parallel::Communicator& pipeline_;  // that share the layers
  Rope rope_;
  at::Tensor embedding_;  // [vocab of this rank, hidden]
  std::vector<Block> blocks_;
  std::optional<RmsNorm> norm_;
  at::Tensor head_;  // [vocab of this rank, hidden]; embedding_ when tied, or the same memory
  ValueUnit embedding_values_, head_values_;
  // What adapters may be added to; null where the head is the embedding, and for a normalised head:
  std::shared_ptr<const LinearLayer> embedding_layer_, head_layer_;
};

}  // namespace ingot::model
