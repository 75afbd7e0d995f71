#include "train/plan/sum_walk.h"

#include <algorithm>
#include <utility>

#include "train/bucket_bytes.h"

namespace ingot::train {

void SumWalk::add(int64_t bytes, int64_t largest) {
  const bool is_alone = ways_.copies == 1 || largest > kBucketBytes;
  if (is_alone) end_bucket();
  while (bytes > 0) {
    if (room_ == 0) begin_bucket(is_alone ? std::min(bytes, largest) : std::min(kBucketBytes, std::max(bytes, to_come_)));
    const int64_t put = std::min(bytes, room_);
    bytes -= put, room_ -= put, to_come_ -= is_alone ? 0 : put;
    if (room_ == 0) end_bucket();
  }
}

/// A bucket has its memory from the first gradient on.
void SumWalk::begin_bucket(int64_t bytes) {
  size_ = room_ = bytes;
  if (!ways_.are_there || ways_.keeps_rows) held_.take_gradient(bytes);
}

/// It leaves: there will be all ranks' terms of this rank's rows, and their sum.
void SumWalk::end_bucket() {
  room_ = 0;
  const int64_t size = std::exchange(size_, 0);
  if (!by_rows() || size == 0) return;
  arrive();
  under_way_ = size;
  held_.take_gradient(size + size / ways_.shares);
}

/// With `keeps_rows` the sum of this rank's rows stays, or is added to the one that was there; otherwise the bucket is still counted, as on a slow
/// network the next ones do not leave before the end of the pass.
void SumWalk::arrive() {
  const int64_t size = std::exchange(under_way_, 0), rows = size / ways_.shares;
  held_.drop_gradient(size + (ways_.keeps_rows ? size : 0) + (ways_.keeps_rows && !ways_.are_there ? 0 : rows));
}

void SumWalk::finish() {
  end_bucket();
  arrive();
}

}  // namespace ingot::train
