#include "ops/kernels/all.h"
#include "ops/kernels/avx512.h"
#include "ops/kernels/sets.h"

namespace ingot::ops::table {

#ifdef __x86_64__
void add_avx512_kernels() { add_contracted<Avx512>(); }
#else
void add_avx512_kernels() {}
#endif

}  // namespace ingot::ops::table
