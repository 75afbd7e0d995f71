#include "parallel/tensor_parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "parallel/in_graph.h"

namespace ingot::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor summed(const at::Tensor& part, Communicator& ranks) {
  auto sum = part.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).contiguous();
  ranks.all_reduce(sum);
  return sum.to(part.scalar_type());
}

struct CopyToRanks : torch::autograd::Function<CopyToRanks> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, int64_t ranks) {
    ctx->saved_data["ranks"] = ranks;
    return x.view_as(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {summed(grads[0], group_at(ctx->saved_data["ranks"].toInt())), at::Tensor()};
  }
};

struct SumOfRanks : torch::autograd::Function<SumOfRanks> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& part, int64_t ranks) {
    return summed(part, group_at(ranks));
  }
  static variable_list backward(AutogradContext*, variable_list grads) { return {grads[0], at::Tensor()}; }
};

}  // namespace

at::Tensor copy_to_ranks(const at::Tensor& x, Communicator& ranks) {
  return ranks.size() == 1 ? x : CopyToRanks::apply(x, address_of(ranks));
}

at::Tensor sum_of_ranks(const at::Tensor& part, Communicator& ranks) {
  return ranks.size() == 1 ? part : SumOfRanks::apply(part, address_of(ranks));
}

at::Tensor joined_over_ranks(const at::Tensor& part, Communicator& ranks) {
  if (ranks.size() == 1) return part;
  const auto flat = part.reshape({-1, part.size(-1)}).contiguous();
  auto all = at::empty({ranks.size() * flat.size(0), flat.size(1)}, flat.options());
  ranks.all_gather(all, flat);
  auto shape = part.sizes().vec();
  shape.back() *= ranks.size();
  return all.view({ranks.size(), flat.size(0), flat.size(1)}).transpose(0, 1).reshape(shape);
}

}  // namespace ingot::parallel
