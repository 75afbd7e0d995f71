#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "model/causal_lm.h"
#include "parallel/communicator.h"
#include "train/model_input.h"

namespace ingot::train {

/// Takes micro-batches through this rank's chunks of the model, forward and backward, as the other pipeline ranks do through theirs: states go
/// from stage to stage, their gradients back. A rank that sends does not wait; the destructor does.
class Passes {
 public:
  Passes(const model::CausalLm& model, parallel::Communicator& pipeline) : model_(model), pipeline_(pipeline) {}
  ~Passes();
  Passes(const Passes&) = delete;
  Passes& operator=(const Passes&) = delete;

  /// Through one chunk. What the last stage gives; of another nothing. Where gradients are recorded, what the backward pass needs is kept.
  std::optional<model::LossTerms> forward(int64_t chunk, int64_t micro_batch, const LabelledInput& rows);
  /// Of the last stage it starts from `objective`, of another from the gradient that the next stage sends. Then parameters have their .grad.
  void backward(int64_t chunk, int64_t micro_batch, const at::Tensor& objective);
  /// Forward through all chunks of this rank, one after another; nothing is kept. On the last rank the terms. `comes` as in is_passed_on.
  std::optional<model::LossTerms> forward_all(const LabelledInput& rows, bool& comes);
  /// Before a forward pass: `comes`, as the first stage says it, is told from stage to stage. A micro-batch that does not come is passed over.
  bool is_passed_on(int64_t chunk, bool comes);

 private:
  struct Kept {
    model::HiddenStates before, after;
  };
  /// Where a message of a chunk goes to or comes from: the rank of the stage behind or before, and the stage that it enters, and which way.
  struct Way { int64_t rank, tag; };
  Way to_next(int64_t chunk) const;
  Way from_next(int64_t chunk) const;
  Way to_previous(int64_t chunk) const;
  Way from_previous(int64_t chunk) const;
  model::HiddenStates received_states(const model::ModelInput& input, const Way& from);
  at::Tensor received(at::Tensor place, const Way& from);
  void send(at::Tensor tensor, const Way& to);

  const model::CausalLm& model_;
  parallel::Communicator& pipeline_;
  std::map<std::pair<int64_t, int64_t>, Kept> kept_;  // by chunk and micro-batch
  std::deque<std::function<void()>> sending_;
};

}  // namespace ingot::train
