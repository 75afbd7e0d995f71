#include "ops/kernels/all.h"
#include "ops/kernels/avx2.h"
#include "ops/kernels/sets.h"

namespace ingot::ops::table {

#ifdef __x86_64__
void add_avx2_exact_kernels() { add_exact<Avx2>(); }
#else
void add_avx2_exact_kernels() {}
#endif

}  // namespace ingot::ops::table
