#include "parallel/context_parallel.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "parallel/in_graph.h"

namespace ingot::parallel {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Places in a row of the ranks' tokens, those of rank 0 first. [seq] int64
at::Tensor places_of_ranks(int64_t ranks, int64_t seq) {
  std::vector<at::Tensor> places;
  for (int64_t rank = 0; rank < ranks; ++rank)
    for (const auto& [begin, end] : TokenCut{ranks, rank}.pieces(seq)) places.push_back(at::arange(begin, end, at::kLong));
  return at::cat(places);
}

struct TokensOfRanks : torch::autograd::Function<TokensOfRanks> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, int64_t address) {
    auto& ranks = group_at(address);
    ctx->saved_data["ranks"] = address;
    const auto mine = x.transpose(0, 1).contiguous();  // [own, batch, ...]
    auto shape = mine.sizes().vec();
    shape[0] *= ranks.size();
    auto all = at::empty(shape, mine.options());
    ranks.all_gather(all, mine);
    auto placed = at::empty_like(all);
    placed.index_copy_(0, places_of_ranks(ranks.size(), shape[0]).to(x.device()), all);
    return placed.transpose(0, 1).contiguous();
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto& ranks = group_at(ctx->saved_data["ranks"].toInt());
    const auto whole = grads[0].transpose(0, 1);  // [seq, batch, ...]
    const auto all = whole.index_select(0, places_of_ranks(ranks.size(), whole.size(0)).to(whole.device())).to(at::kFloat).contiguous();
    auto shape = all.sizes().vec();
    shape[0] /= ranks.size();
    auto own = at::empty(shape, all.options());
    ranks.reduce_scatter(own, all);
    return {own.to(grads[0].scalar_type()).transpose(0, 1).contiguous(), {}};
  }
};

}  // namespace

std::array<TokenCut::Piece, 2> TokenCut::pieces(int64_t seq) const {
  const int64_t length = seq / (2 * ranks);
  return {{{rank * length, (rank + 1) * length}, {seq - (rank + 1) * length, seq - rank * length}}};
}

at::Tensor TokenCut::own(const at::Tensor& x) const {
  if (ranks == 1 || !x.defined()) return x;
  TORCH_CHECK(x.size(1) % (2 * ranks) == 0, "rows of ", x.size(1), " tokens for ", ranks, " context parallel ranks");
  const auto [front, back] = pieces(x.size(1));
  return at::cat({x.slice(1, front.begin, front.end), x.slice(1, back.begin, back.end)}, 1);
}

at::Tensor tokens_of_ranks(const at::Tensor& x, Communicator& ranks) {
  return ranks.size() == 1 ? x : TokensOfRanks::apply(x, address_of(ranks));
}

}  // namespace ingot::parallel
