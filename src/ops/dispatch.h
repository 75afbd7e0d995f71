#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "ops/kernels/element.h"

namespace ingot::ops {

// A kernel is a plain value: pointers, sizes, and `void operator()(int64_t i) const` for piece i of its work. Pieces do not depend on
// each other, so the result is the same for any number of threads. It names its op (`kOp`) and its dtype (`Element`), and stands in
// kernels/OP.h. kernels/SET.cpp compiles the loop over its pieces for one instruction set and puts it into the table below; a
// further set, or hand-written loops for one, is a further file there. What no kernel serves, ATen does: the op's composite.

/// Pieces [begin, end) of a kernel's work.
template <class Kernel>
using Loop = void (*)(const Kernel&, int64_t begin, int64_t end);

/// One entry of the table.
struct TableRow {
  std::string op;
  at::ScalarType dtype;
  Isa isa;
};

/// Every entry, in the order of ops, dtypes and sets; entries of sets that this CPU lacks among them.
const std::vector<TableRow>& kernel_table();

/// Which op runs on which path with isa() here, a line each: "rms_norm  float32: avx2, bfloat16: avx2".
std::string kernel_paths();

namespace table {

template <class Kernel>
inline std::array<Loop<Kernel>, kNumIsas> loops{};

/// Notes a row; for add().
void note(TableRow row);

/// Fills the table on the first call.
void fill();

template <class Kernel>
void add(Isa isa, Loop<Kernel> loop) {
  loops<Kernel>[static_cast<size_t>(isa)] = loop;
  note({std::string(Kernel::kOp), c10::CppTypeToScalarType<typename Kernel::Element>::value, isa});
}

/// Set: its kIsa, and loop<Kernel> compiled for it.
template <class Set, class... Kernels>
void add_each() {
  (add<Kernels>(Set::kIsa, Set::template loop<Kernels>), ...);
}

}  // namespace table

/// The loop with the largest set up to isa(); null where no kernel serves.
template <class Kernel>
Loop<Kernel> find_loop() {
  table::fill();
  for (auto set = static_cast<int>(isa()); set >= 0; --set)
    if (const auto loop = table::loops<Kernel>[static_cast<size_t>(set)]) return loop;
  return nullptr;
}

/// Runs pieces [0, n), over the threads. `cost` is the number of elements that one piece touches.
template <class Kernel>
void run(int64_t n, int64_t cost, const Kernel& kernel) {
  const auto loop = find_loop<Kernel>();
  at::parallel_for(0, n, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, cost)),
                   [&](int64_t begin, int64_t end) { loop(kernel, begin, end); });
}

/// Runs a kernel whose piece i is Block(i, n), over the threads.
template <class Kernel>
void run_blocks(int64_t n, const Kernel& kernel) {
  run((n + kGrain - 1) / kGrain, kGrain, kernel);
}

/// True when kernels on the CPU serve these tensors: all there, all float32 or all bfloat16.
bool has_kernel(std::initializer_list<at::Tensor> tensors);

/// Calls visit(float{}) or visit(c10::BFloat16{}) by the tensor's dtype, one of these two.
template <class Visit>
auto visit_dtype(const at::Tensor& tensor, const Visit& visit) {
  return tensor.scalar_type() == at::kFloat ? visit(float{}) : visit(c10::BFloat16{});
}

}  // namespace ingot::ops
