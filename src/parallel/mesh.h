#pragma once

#include <memory>

#include "parallel/communicator.h"
#include "parallel/layout.h"
#include "parallel/pipeline.h"

namespace ingot::parallel {

/// The groups in which a rank of a layout exchanges.
class Mesh {
 public:
  /// All of them share the rows of the batch alone.
  Mesh(Communicator& world);
  /// All ranks of `world`, which are as many as the layout's, make it together; it must outlive the mesh. `rank`: the layout's number of this
  /// one, where that is not its rank of `world`; along every axis they are in the same order.
  Mesh(Communicator& world, const Layout& layout) : Mesh(world, layout, world.rank()) {}
  Mesh(Communicator& world, const Layout& layout, int64_t rank);

 private:
  std::unique_ptr<Communicator> own_data_, own_tensor_, own_pipeline_, own_experts_, own_expert_data_, own_context_;

 public:
  Communicator& world;
  Communicator& data;      // those that have other rows and the same part of the model
  Communicator& tensor;    // those that have the same rows and other parts of its matrices
  Communicator& pipeline;  // those that have the same rows and other layers
  Communicator& experts;      // of those in `data`: neighbours, each of which has some of the experts
  Communicator& expert_data;  // of those in `data`: that have the same experts
  Communicator& context;      // those that have the same rows and other tokens of them
  /// Those that have the same part of a parameter and other rows of the batch.
  Communicator& replicas(bool is_expert) const { return is_expert ? expert_data : data; }
  /// Of those in `data`: that go through their micro-batches together with this rank, as they need each other in each: they share experts,
  /// the sums of the gradients, or the weights.
  Communicator* partners = &experts;
  PipelineCut cut;            // of the layers
  /// Gradients that a parameter gets in two places, as a tied embedding does, are summed apart even where one rank has both: so the bits of
  /// their sum do not depend on how many ranks there are.
  bool sums_apart = false;
  /// Each of the replicas of a matrix keeps some of its rows, and they meet where it is used: ZeRO stage 3.
  bool shards_weights = false;
};

}  // namespace ingot::parallel
