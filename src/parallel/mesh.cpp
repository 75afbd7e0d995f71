#include "parallel/mesh.h"

#include <stdexcept>
#include <string>

#include "parallel/traced.h"

namespace ingot::parallel {
namespace {

/// The trace's name of the groups along an axis.
std::string name_of(Axis axis) {
  switch (axis) {
    case Axis::kData: return "data";
    case Axis::kContext: return "context";
    case Axis::kTensor: return "tensor";
    case Axis::kPipeline: return "pipeline";
    case Axis::kExpert: return "experts";
    case Axis::kExpertData: break;
  }
  return "expert data";
}

/// Nothing for an axis of one rank.
std::unique_ptr<Communicator> split_off(Communicator& world, const Layout& layout, Axis axis, int64_t rank) {
  if (layout.num_ranks() != world.size()) throw std::logic_error("a mesh of " + to_string(layout) + " over another number of ranks");
  const auto group = group_of(layout, axis, rank);
  return group.size() == 1 ? nullptr : traced(world.split(group.front()), name_of(axis));
}

Communicator& group_or_alone(const std::unique_ptr<Communicator>& group) { return group ? *group : only_rank(); }

}  // namespace

Mesh::Mesh(Communicator& given) : world(given), data(given), tensor(only_rank()), pipeline(only_rank()), experts(only_rank()), expert_data(given), context(only_rank()) {}

Mesh::Mesh(Communicator& given, const Layout& layout, int64_t rank)
    : own_data_(split_off(given, layout, Axis::kData, rank)), own_tensor_(split_off(given, layout, Axis::kTensor, rank)),
      own_pipeline_(split_off(given, layout, Axis::kPipeline, rank)), own_experts_(split_off(given, layout, Axis::kExpert, rank)),
      own_expert_data_(layout.ep == 1 ? nullptr : split_off(given, layout, Axis::kExpertData, rank)),
      own_context_(split_off(given, layout, Axis::kContext, rank)),
      world(given), data(group_or_alone(own_data_)), tensor(group_or_alone(own_tensor_)), pipeline(group_or_alone(own_pipeline_)),
      experts(group_or_alone(own_experts_)), expert_data(layout.ep == 1 ? data : group_or_alone(own_expert_data_)),
      context(group_or_alone(own_context_)), cut{.ranks = layout.pp, .chunks = layout.virtual_stages, .rank = pipeline.rank()} {}

}  // namespace ingot::parallel
