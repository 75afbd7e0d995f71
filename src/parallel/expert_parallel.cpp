#include "parallel/expert_parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

#include "parallel/in_graph.h"

namespace ingot::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor exchanged(const at::Tensor& x, const std::vector<int64_t>& sent, const std::vector<int64_t>& received, Communicator& ranks) {
  auto shape = x.sizes().vec();
  shape[0] = std::accumulate(received.begin(), received.end(), int64_t{0});
  auto out = at::empty(shape, x.options());
  ranks.all_to_all(out, received, x.contiguous(), sent);
  return out;
}

struct RowsToRanks : torch::autograd::Function<RowsToRanks> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const std::vector<int64_t>& sent, const std::vector<int64_t>& received, int64_t ranks) {
    ctx->saved_data["sent"] = sent, ctx->saved_data["received"] = received, ctx->saved_data["ranks"] = ranks;
    return exchanged(x, sent, received, group_at(ranks));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto& ranks = group_at(ctx->saved_data["ranks"].toInt());
    return {exchanged(grads[0], ctx->saved_data["received"].toIntVector(), ctx->saved_data["sent"].toIntVector(), ranks), {}, {}, {}};
  }
};

}  // namespace

at::Tensor rows_to_ranks(const at::Tensor& x, const std::vector<int64_t>& sent, const std::vector<int64_t>& received, Communicator& ranks) {
  return RowsToRanks::apply(x, sent, received, address_of(ranks));
}

at::Tensor counts_to_ranks(const at::Tensor& counts, Communicator& ranks) {
  const std::vector<int64_t> ones(static_cast<size_t>(ranks.size()), 1);
  return exchanged(counts, ones, ones, ranks);
}

}  // namespace ingot::parallel
