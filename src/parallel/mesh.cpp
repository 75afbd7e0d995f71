#include "parallel/mesh.h"

#include <stdexcept>

namespace ingot::parallel {
namespace {

std::unique_ptr<Communicator> split_off(Communicator& world, const Layout& layout, Axis axis) {
  if (layout.num_ranks() != world.size()) throw std::logic_error("a mesh of " + to_string(layout) + " over another number of ranks");
  return world.split(group_of(layout, axis, world.rank()).front());
}

}  // namespace

Mesh::Mesh(Communicator& given) : world(given), data(given), tensor(only_rank()) {}

Mesh::Mesh(Communicator& given, const Layout& layout)
    : own_data_(split_off(given, layout, Axis::kData)), own_tensor_(split_off(given, layout, Axis::kTensor)),
      world(given), data(*own_data_), tensor(*own_tensor_) {}

}  // namespace ingot::parallel
