#include "train/gradient_buckets.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

namespace ingot::train {
namespace {

constexpr size_t kMostUnderWay = 4;    // where the pass does not wait, so that some leave while it goes on
constexpr int64_t kLineElements = 16;  // float32 of a cache line: where a member of the first share begins

int64_t in_lines(int64_t elements) { return (elements + kLineElements - 1) / kLineElements * kLineElements; }

}  // namespace

GradientBuckets::GradientBuckets(const std::vector<std::shared_ptr<model::Parameter>>& parameters, parallel::Communicator& ranks, const TensorTerms& terms, Ways ways)
    : ranks_(ranks), terms_(terms), ways_(ways), shares_(ways_.by_rows ? ranks.size() : 1), places_(parameters.size()) {
  for (size_t i = parameters.size(); i-- > 0;) {
    put(parameters[i]);
    places_[i] = {buckets_.size() - 1, buckets_.back().members.size() - 1};
  }
  for (auto& bucket : buckets_)
    for (auto& member : bucket.members) member.begin = in_lines(bucket.share), bucket.share = member.begin + member.size;
}

/// Into the last bucket, or a new one where there is no room: a larger one has one of its own.
void GradientBuckets::put(std::shared_ptr<model::Parameter> parameter) {
  const auto& value = parameter->value;
  const auto own = ways_.by_rows ? parallel::row_share(value.size(0), ranks_) : parallel::RowShare{0, value.size(0)};
  const int64_t size = parallel::share_size(value, shares_);
  const auto bytes_with = [&](const Bucket& bucket) {
    int64_t elements = value.numel();
    for (const auto& member : bucket.members) elements += member.parameter->value.numel();
    return elements * static_cast<int64_t>(sizeof(float));
  };
  if (buckets_.empty() || bytes_with(buckets_.back()) > ways_.bucket_bytes) buckets_.emplace_back();
  buckets_.back().members.push_back({std::move(parameter), own, size});
}

at::Tensor GradientBuckets::shares_of(const Bucket& bucket) const { return bucket.sum.view({shares_, bucket.share}); }

/// Whether the gradient can be the bucket's sum itself, as a large one's can.
bool GradientBuckets::is_all_of(const Bucket& bucket, const at::Tensor& gradient) const {
  return bucket.members.size() == 1 && gradient.numel() == shares_ * bucket.share && gradient.scalar_type() == at::kFloat && gradient.is_contiguous();
}

void GradientBuckets::add(size_t i, const at::Tensor& gradient) {
  auto& bucket = buckets_[places_[i].bucket];
  auto& member = bucket.members[places_[i].member];
  TORCH_CHECK(!member.is_closed, member.parameter->name, " has a gradient more than its sum waits for");
  while (bucket.arriving.defined()) arrive();  // of the micro-batch before
  if (!bucket.sum.defined() && is_all_of(bucket, gradient)) {
    bucket.sum = gradient.view({-1}), member.has_gradient = true;
    return;
  }
  if (!bucket.sum.defined()) bucket.sum = at::empty({shares_ * bucket.share}, gradient.options().dtype(at::kFloat).requires_grad(false));
  for (auto& [rows, place] : parallel::rows_in_shares(shares_of(bucket), member.begin, gradient.contiguous())) member.has_gradient ? place.add_(rows) : place.copy_(rows);
  member.has_gradient = true;
}

void GradientBuckets::close(size_t i) {
  auto& bucket = buckets_[places_[i].bucket];
  if (std::exchange(bucket.members[places_[i].member].is_closed, true)) return;
  if (++bucket.num_closed == bucket.members.size()) complete(bucket);
  while (next_ < buckets_.size() && buckets_[next_].is_closed() && has_room()) leave();
}

void GradientBuckets::close_all() {
  for (; next_ < buckets_.size(); leave()) {
    auto& bucket = buckets_[next_];
    if (!bucket.is_closed()) complete(bucket);
    while (bucket.arriving.defined() || is_full()) arrive();
  }
  next_ = 0;
  for (auto& bucket : buckets_) {
    bucket.num_closed = 0;
    for (auto& member : bucket.members) member.is_closed = false;
  }
}

/// Makes whole what the tensor ranks have terms of.
void GradientBuckets::complete(const Bucket& bucket) {
  std::vector<GradientOf> partial;
  std::vector<parallel::RowsInShares> copied;
  for (const auto& member : bucket.members) {
    if (!member.has_gradient || !terms_.has(*member.parameter)) continue;
    partial.push_back({member.parameter.get(), at::empty(member.parameter->value.sizes(), bucket.sum.options())});
    for (auto& piece : parallel::rows_in_shares(shares_of(bucket), member.begin, partial.back().gradient)) copied.push_back(piece);
  }
  for (auto& [rows, place] : copied) rows.copy_(place);
  terms_.sum(partial);
  for (auto& [rows, place] : copied) place.copy_(rows);
}

bool GradientBuckets::has_room() {
  while (!under_way_.empty() && (under_way_.front().call.is_done() || (ways_.waits && is_full()))) arrive();
  return !is_full();
}

/// By rows a bucket under way takes memory for what arrives. Where the pass waits for it, one is enough, while the next one is filled.
bool GradientBuckets::is_full() const { return ways_.by_rows && under_way_.size() >= (ways_.waits ? 1 : kMostUnderWay); }

/// The next bucket leaves. Of a member without a gradient on this rank there are zeros.
void GradientBuckets::leave() {
  auto& bucket = buckets_[next_];
  const auto options = bucket.members[0].parameter->value.options().dtype(at::kFloat).requires_grad(false);
  if (!bucket.sum.defined()) bucket.sum = at::zeros({shares_ * bucket.share}, options);
  const auto shares = shares_of(bucket);
  for (auto& member : bucket.members) {
    member.was_there |= member.has_gradient;
    if (!std::exchange(member.has_gradient, false)) shares.narrow(1, member.begin, member.size).zero_();
  }
  bucket.arriving = ways_.by_rows ? at::empty({bucket.share}, options) : bucket.sum;
  ++next_;
  under_way_.push_back({&bucket, ways_.by_rows ? ranks_.begin_reduce_scatter(bucket.arriving, bucket.sum) : ranks_.begin_all_reduce(bucket.sum)});
}

/// Waits for the first of those under way.
void GradientBuckets::arrive() {
  auto& bucket = *under_way_.front().bucket;
  under_way_.front().call.wait();
  under_way_.pop_front();
  bucket.sum.reset();
  const auto arrived = std::exchange(bucket.arriving, {});
  bucket.arrived.defined() ? void(bucket.arrived.add_(arrived)) : void(bucket.arrived = arrived);
}

/// Of each parameter the ranks that had a gradient; it is forgotten.
at::Tensor GradientBuckets::num_with_gradient(parallel::Communicator& others) {
  const auto present = at::zeros({std::ssize(places_)}, at::kLong);
  for (size_t i = 0; i < places_.size(); ++i)
    present.mutable_data_ptr<int64_t>()[i] = std::exchange(buckets_[places_[i].bucket].members[places_[i].member].was_there, false) ? 1 : 0;
  ranks_.all_reduce(present);
  others.all_reduce(present);
  return present;
}

std::vector<at::Tensor> GradientBuckets::take(parallel::Communicator& others) {
  while (!under_way_.empty()) arrive();
  std::vector<parallel::Begun> calls;
  if (others.size() > 1)
    for (const auto& bucket : buckets_) calls.push_back(others.begin_all_reduce(bucket.arrived));
  for (const auto& call : calls) call.wait();
  const auto present = num_with_gradient(others);
  std::vector<at::Tensor> sums(places_.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    const auto& bucket = buckets_[places_[i].bucket];
    const auto& member = bucket.members[places_[i].member];
    if (present.const_data_ptr<int64_t>()[i] == 0) continue;
    auto shape = member.parameter->value.sizes().vec();
    shape[0] = member.own.count;
    sums[i] = bucket.arrived.narrow(0, member.begin, c10::multiply_integers(shape)).view(shape);
  }
  for (auto& bucket : buckets_) bucket.arrived.reset();
  return sums;
}

void GradientBuckets::discard(int64_t most_left) {
  while (num_left() < most_left) {
    leave();
    if (is_full()) arrive();
  }
  while (!under_way_.empty()) arrive();
  next_ = 0;
  for (auto& bucket : buckets_) {
    bucket.num_closed = 0, bucket.sum.reset(), bucket.arrived.reset();
    for (auto& member : bucket.members) member.is_closed = member.has_gradient = member.was_there = false;
  }
}

}  // namespace ingot::train
