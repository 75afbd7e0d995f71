#include "ops/kernels/all.h"
#include "ops/kernels/baseline.h"
#include "ops/kernels/sets.h"

namespace ingot::ops::table {

void add_baseline_exact_kernels() { add_exact<Baseline>(); }

}  // namespace ingot::ops::table
