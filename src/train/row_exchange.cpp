#include "train/row_exchange.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "parallel/row_share.h"

namespace ingot::train {

void RowExchange::add(at::Tensor whole, parallel::Communicator& ranks) {
  if (ranks.size() == 1) return;
  auto place = std::find_if(filling_.begin(), filling_.end(), [&](const Bucket& one) { return one.ranks == &ranks && one.tensors[0].scalar_type() == whole.scalar_type(); });
  if (place == filling_.end()) place = filling_.insert(place, Bucket{.ranks = &ranks});
  const auto bytes = static_cast<int64_t>(whole.nbytes());
  if (!place->tensors.empty() && place->bytes + bytes > bucket_bytes_) leave(std::exchange(*place, Bucket{.ranks = &ranks}));
  place->bytes += bytes;
  place->tensors.push_back(std::move(whole));
}

void RowExchange::finish() {
  for (auto& bucket : std::exchange(filling_, {})) leave(std::move(bucket));
  if (under_way_) arrive();
}

void RowExchange::leave(Bucket bucket) {
  int64_t share = 0;
  for (const auto& whole : bucket.tensors) share += parallel::share_size(whole, bucket.ranks->size());
  const auto mine = at::empty({share}, bucket.tensors[0].options().requires_grad(false));
  int64_t begin = 0;
  for (const auto& whole : bucket.tensors) {
    const auto own = parallel::row_share(whole.size(0), *bucket.ranks).of(whole);
    mine.narrow(0, begin, own.numel()).copy_(own.reshape({-1}));
    begin += parallel::share_size(whole, bucket.ranks->size());
  }
  if (under_way_) arrive();
  bucket.shares = at::empty({bucket.ranks->size(), share}, mine.options());
  bucket.call = bucket.ranks->begin_all_gather(bucket.shares.view({-1}), mine);
  under_way_ = std::move(bucket);
}

void RowExchange::arrive() {
  const Bucket bucket = *std::exchange(under_way_, {});
  bucket.call.wait();
  int64_t begin = 0;
  for (const auto& whole : bucket.tensors) {
    for (auto& [rows, place] : parallel::rows_in_shares(bucket.shares, begin, whole)) rows.copy_(place);
    begin += parallel::share_size(whole, bucket.ranks->size());
  }
}

}  // namespace ingot::train
