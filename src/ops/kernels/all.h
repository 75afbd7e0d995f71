#pragma once

#include "ops/dispatch.h"
#include "ops/kernels/adamw.h"
#include "ops/kernels/cross_entropy.h"
#include "ops/kernels/expert_rows.h"
#include "ops/kernels/keyed_dropout.h"
#include "ops/kernels/rms_norm.h"
#include "ops/kernels/rotary.h"
#include "ops/kernels/swiglu.h"
#include "ops/kernels/unit_rows.h"

namespace ingot::ops::table {

/// Kernels that give the same bits with every set: they sum nothing across elements, and memory bounds them.
template <class Set, class T>
void add_exact_of() {
  add_each<Set, SumChoices<T>, DropRow<T>, RotateRow<T>>();
}

template <class Set>
void add_exact() {
  add_each<Set, AdamwBlock>();
  add_exact_of<Set, float>();
  add_exact_of<Set, c10::BFloat16>();
}

/// Kernels with sums, whose order follows the width of the set, and with exponentials, which fused multiply-add makes faster.
template <class Set, class T>
void add_contracted_of() {
  add_each<Set, CombineRowsBackward<T>, CrossEntropyRow<T>, RmsNormRow<T>, RmsNormRowBackward<T>, RmsNormRowsBackward<T>, SumOfSquares<T>,
           SwigluBlock<T>, SwigluBlockBackward<T>, UnitRow<T>, UnitRowBackward<T>>();
}

template <class Set>
void add_contracted() {
  add_contracted_of<Set, float>();
  add_contracted_of<Set, c10::BFloat16>();
}

}  // namespace ingot::ops::table
