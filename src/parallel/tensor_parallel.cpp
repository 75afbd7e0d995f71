#include "parallel/tensor_parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "parallel/in_graph.h"

namespace ingot::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor gathered(const at::Tensor& share, int64_t rows, Communicator& ranks) {
  auto all = at::empty({ranks.size() * share.size(0), share.size(1)}, share.options());
  ranks.all_gather(all, share.contiguous());
  return all.narrow(0, 0, rows);
}

/// In float32: the sum of each half of the parts, and of the two.
at::Tensor tree_sum(at::TensorList parts) {
  if (parts.size() == 1) return parts[0].to(at::kFloat);
  const size_t half = parts.size() / 2;
  return tree_sum(parts.slice(0, half)).add(tree_sum(parts.slice(half)));
}

at::Tensor scattered(const at::Tensor& term, Communicator& ranks) {
  const int64_t share = share_of(term.size(0), ranks), missing = share * ranks.size() - term.size(0);
  const auto sent = missing > 0 ? at::constant_pad_nd(term, {0, 0, 0, missing}) : term.contiguous();
  const auto received = at::empty_like(sent);
  const std::vector<int64_t> counts(static_cast<size_t>(ranks.size()), share);
  ranks.all_to_all(received, counts, sent, counts);
  return tree_sum(received.split(share)).to(term.scalar_type());
}

struct RowsOfShares : torch::autograd::Function<RowsOfShares> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& share, int64_t rows, int64_t ranks) {
    ctx->saved_data["ranks"] = ranks;
    return gathered(share, rows, group_at(ranks));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {scattered(grads[0], group_at(ctx->saved_data["ranks"].toInt())), {}, {}};
  }
};

struct ShareOfSum : torch::autograd::Function<ShareOfSum> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& term, int64_t ranks) {
    ctx->saved_data["ranks"] = ranks, ctx->saved_data["rows"] = term.size(0);
    return scattered(term, group_at(ranks));
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    return {gathered(grads[0], ctx->saved_data["rows"].toInt(), group_at(ctx->saved_data["ranks"].toInt())), {}};
  }
};

struct SumOfRanks : torch::autograd::Function<SumOfRanks> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& term, int64_t ranks) {
    auto sum = term.clone();
    group_at(ranks).all_reduce(sum);
    return sum;
  }
  static variable_list backward(AutogradContext*, variable_list grads) { return {grads[0], {}}; }
};

}  // namespace

int64_t share_of(int64_t rows, const Communicator& ranks) { return (rows + ranks.size() - 1) / ranks.size(); }

at::Tensor rows_of_shares(const at::Tensor& share, int64_t rows, Communicator& ranks) {
  return ranks.size() == 1 ? share : RowsOfShares::apply(share, rows, address_of(ranks));
}

at::Tensor share_of_sum(const at::Tensor& term, Communicator& ranks) {
  return ranks.size() == 1 ? term : ShareOfSum::apply(term, address_of(ranks));
}

at::Tensor sum_of_ranks(const at::Tensor& term, Communicator& ranks) {
  return ranks.size() == 1 ? term : SumOfRanks::apply(term, address_of(ranks));
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
