#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/problems.h"
#include "model/decoder_config.h"
#include "model/head.h"
#include "model/parameters.h"
#include "model/recompute.h"
#include "parallel/communicator.h"

namespace ingot::model {

/// Rows of tokens on the model's device.
struct ModelInput {
  at::Tensor tokens;                    // [batch, seq]  int64
  at::Tensor positions;                 // [batch, seq]  int64
  std::vector<int64_t> segment_starts;  // see ops/attention.h; empty: every row is one segment
  at::Tensor dropout_keys = {};         // [batch, seq]  int64  what each token's dropout depends on; undefined: none
};

/// Keys and values of the positions seen so far, for generation.
struct KeyValueCache {
  struct Layer { at::Tensor keys, values; };  // [batch, room, kv_heads, head_dim]; the first `length` positions count
  std::vector<Layer> layers;
  int64_t length = 0;
};

/// What the layers give.
struct HiddenStates {
  at::Tensor states;                      // output of the final norm, [batch, seq, hidden]
  std::vector<at::Tensor> router_logits;  // of each layer with experts, [batch * seq, experts]
};

/// What a pass over labelled rows gives to train on and to report.
struct LossTerms {
  at::Tensor cross_entropy;   // sum over the labels that count, [] float32
  // Over all layers, as ops/expert_routing.h defines them; undefined without experts:
  at::Tensor expert_balance;  // load-balancing loss, [] float32
  at::Tensor expert_tokens;   // choices of each expert, [experts] int64
};

/// Called with the layer's name ("model.layers.3") and its output when set; for diagnosis of NaN and infinity.
using LayerObserver = std::function<void(const std::string& name, const at::Tensor& output)>;

/// A decoder-only language model of one family.
class CausalLm {
 public:
  virtual ~CausalLm() = default;
  virtual HiddenStates hidden(const ModelInput& input) const = 0;
  /// Weight of the output projection, [vocab of this rank, hidden]; the embedding when tied.
  virtual const at::Tensor& head_weight() const = 0;
  /// What makes logits of the final norm's output.
  virtual Head head() const = 0;
  /// Logits of new positions with the cache extended, [batch, new, vocab]. No gradient.
  virtual at::Tensor logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const = 0;

  /// Logits of every position, [batch, seq, vocab]; for evaluation and tests, training never makes them.
  at::Tensor logits(const ModelInput& input) const;
  /// Labels that are not -100 count ([batch, seq], already shifted), each by its weight. The experts' balance is that of
  /// each row up to the token after its last label: what comes later is padding.
  LossTerms losses(const ModelInput& input, const ops::Labels& labels) const;
  /// Its cross entropy alone.
  at::Tensor loss_sum(const ModelInput& input, const ops::Labels& labels) const;
  /// What training minimises, times `num_labels`: the cross entropies' sum and, where config.router_aux_loss_coef is
  /// set, num_labels * coefficient * balance. So over micro-batches the balance is a mean weighted by their labels.
  at::Tensor objective(const LossTerms& terms, int64_t num_labels) const;

  ParameterList parameters;
  DecoderConfig config;
  Recompute recompute = Recompute::kNone;
  LayerObserver observer;
};

/// Builds the family that `config.model_type` names, with values uninitialised on `device` ("cpu", "meta", "cuda"). Of `ranks`, which share
/// its matrices (tensor parallel) and must outlive it, it is this one's part: all of them make the same calls, and get the same results.
/// Throws ConfigError for a family that is not here.
std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device,
                                      parallel::Communicator& ranks = parallel::only_rank());

/// Names the parameters that cannot be cut for so many ranks, in `problems`.
void check_tensor_parallel(const DecoderConfig& config, int64_t ranks, Problems& problems);

}  // namespace ingot::model
