#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "ops/recompute.h"
#include "parallel/row_share.h"

namespace ingot::model {

/// A value of which each of some ranks keeps its rows, and which has memory only while it is used (Rajbhandari et al. 2020, ZeRO stage 3).
class ShardedValue {
 public:
  /// `value` is from now on without memory; so is what shares it.
  ShardedValue(const at::Tensor& value, parallel::Communicator& ranks);
  /// Makes the value whole, as often as let_go() is to be called until it is without memory again; it is when what this begins has ended. All
  /// ranks call it.
  parallel::Begun begin_gather();
  void let_go();

  const parallel::RowShare rows;
  const at::Tensor own;  // those rows

 private:
  at::Tensor value_;  // the same memory as the value; autograd does not see that it is written
  parallel::Communicator& ranks_;
  int64_t users_ = 0;
};

/// Values that are used together. Where none is sharded all of this does nothing.
class ValueUnit {
 public:
  ValueUnit() = default;
  explicit ValueUnit(std::vector<std::shared_ptr<ShardedValue>> values) : values_(std::move(values)) {}
  static const ValueUnit& none();

  /// As long as it lives the values are whole.
  class Use {
   public:
    explicit Use(const ValueUnit& unit) : unit_(unit) { unit_.gather(); }
    ~Use() { unit_.let_go(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const ValueUnit& unit_;
  };

  /// function(x) with the values whole. The backward pass gathers them once more and lets them go behind the function. The unit must outlive it.
  std::vector<at::Tensor> around(const ops::Computation& function, const at::Tensor& x) const;

  void gather() const;
  void let_go() const;

 private:
  std::vector<std::shared_ptr<ShardedValue>> values_;
};

}  // namespace ingot::model
