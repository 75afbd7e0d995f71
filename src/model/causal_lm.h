#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/decoder_config.h"
#include "model/head.h"
#include "model/parameters.h"
#include "model/recompute.h"
#include "ops/expert_routing.h"
#include "parallel/mesh.h"

namespace ingot::model {

/// Rows of tokens on the model's device.
struct ModelInput {
  at::Tensor tokens;                    // [batch, seq]  int64
  at::Tensor positions;                 // [batch, seq]  int64
  std::vector<int64_t> segment_starts;  // see ops/attention.h; empty: every row is one segment. Of whole rows, whatever tokens this rank has
  at::Tensor dropout_keys = {};         // [batch, seq]  int64  what each token's dropout depends on; undefined: none
  at::Tensor counted = {};              // [batch * seq] bool   tokens of the experts' load; undefined: it is not taken
};

/// Keys and values of the positions seen so far, for generation.
struct KeyValueCache {
  struct Layer { at::Tensor keys, values; };  // [batch, room, kv_heads, head_dim]; the first `length` positions count
  std::vector<Layer> layers;
  int64_t length = 0;
};

/// What goes from layer to layer, and from one stage of a model to the next.
struct HiddenStates {
  at::Tensor states;       // [tokens, hidden] of this tensor rank's share; in the end the output of the final norm of all, [batch, seq, hidden]
  ops::ExpertLoad load{};  // that the share brings to the layers so far that have experts
};

/// What a pass over labelled rows gives to train on and to report.
struct LossTerms {
  at::Tensor cross_entropy;   // sum over the labels that count, [] float32
  // Over all layers, as ops/expert_routing.h defines them; undefined without experts:
  at::Tensor expert_balance;  // load-balancing loss, [] float32
  at::Tensor expert_tokens;   // choices of each expert, [experts] int64
};

/// Called with the layer's name ("model.layers.3") and its output for the tokens that this rank has when set; for diagnosis of NaN and infinity.
using LayerObserver = std::function<void(const std::string& name, const at::Tensor& output)>;

/// A decoder-only language model of one family.
class CausalLm {
 public:
  virtual ~CausalLm() = default;
  /// The layers of one chunk of this rank (parallel/pipeline.h). `before`: what the stage before gave; of the first stage nothing.
  virtual HiddenStates run_stage(int64_t chunk, const ModelInput& input, HiddenStates before) const = 0;
  /// What makes logits of the final norm's output; of a rank that has the last stage.
  virtual Head head() const = 0;
  /// Logits of new positions with the cache extended, [batch, new, vocab]. No gradient. All pipeline ranks call it and get them.
  virtual at::Tensor logits_cached(const at::Tensor& tokens, KeyValueCache& cache) const = 0;

  /// All layers of a model that is one stage.
  HiddenStates hidden(const ModelInput& input) const;
  /// Logits of every position, [batch, seq, vocab]; for evaluation and tests, training never makes them.
  at::Tensor logits(const ModelInput& input) const;
  /// Labels that are not -100 count ([batch, seq], already shifted), each by its weight. The experts' balance is that of
  /// each row up to the token after its last label: what comes later is padding.
  LossTerms losses(const ModelInput& input, const ops::Labels& labels) const;
  /// The same of what the last stage gave for that input.
  LossTerms losses_of(const HiddenStates& last, const ModelInput& input, const ops::Labels& labels) const;
  /// Which tokens of rows with such labels, whole ones, count for the experts' load: up to the one after the last label. [batch, seq] bool;
  /// undefined without experts.
  at::Tensor counted(const at::Tensor& labels) const;
  /// The cross entropy of losses() alone.
  at::Tensor loss_sum(const ModelInput& input, const ops::Labels& labels) const;
  /// What training minimises, times `num_labels`: the cross entropies' sum and, where config.router_aux_loss_coef is
  /// set, num_labels * coefficient * balance. So over micro-batches the balance is a mean weighted by their labels.
  at::Tensor objective(const LossTerms& terms, int64_t num_labels) const;

  ParameterList parameters;
  DecoderConfig config;
  at::ScalarType dtype = at::kFloat;
  at::Device device = at::kCPU;
  parallel::PipelineCut cut;  // which layers this rank has
  parallel::Communicator* tensor = &parallel::only_rank();   // that share the matrices, and between them the tokens (parallel/tensor_parallel.h)
  parallel::Communicator* context = &parallel::only_rank();  // that share the tokens of a row, of which each is given its own (parallel/context_parallel.h)
  Recompute recompute = Recompute::kNone;
  LayerObserver observer;
};

/// Builds the family that `config.model_type` names, with values uninitialised on `device` ("cpu", "meta", "cuda"). It is the part of this rank
/// of the mesh, whose groups must outlive it: those that share its matrices (tensor parallel) make the same calls and get the same results; of
/// those that share its layers (pipeline) each lists all parameters and has the values of its own. Throws ConfigError for a family that is not here.
std::unique_ptr<CausalLm> build_model(const DecoderConfig& config, at::ScalarType dtype, const std::string& device,
                                      const parallel::Mesh& mesh = parallel::only_rank());

}  // namespace ingot::model
