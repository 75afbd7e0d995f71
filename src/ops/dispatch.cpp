#include "ops/dispatch.h"

#include <ATen/ATen.h>
#include <ATen/native/CPUBlas.h>
#include <fmt/format.h>

#include <map>
#include <mutex>

#include "ops/kernels/sets.h"

namespace ingot::ops {
namespace {

std::vector<TableRow>& rows() {
  static std::vector<TableRow> all;
  return all;
}

}  // namespace

namespace table {

void note(TableRow row) { rows().push_back(std::move(row)); }

void fill() {
  static std::once_flag filled;
  std::call_once(filled, [] {
    add_baseline_kernels(), add_baseline_exact_kernels();
    add_avx2_kernels(), add_avx2_exact_kernels();
    add_avx512_kernels(), add_avx512_exact_kernels();
    if (at::native::cpublas::could_pack(at::kBFloat16)) add_avx512_bf16_kernels();
    std::stable_sort(rows().begin(), rows().end(),
                     [](const TableRow& a, const TableRow& b) { return std::tie(a.op, a.dtype, a.isa) < std::tie(b.op, b.dtype, b.isa); });
  });
}

}  // namespace table

const std::vector<TableRow>& kernel_table() {
  table::fill();
  return rows();
}

std::string kernel_paths() {
  std::map<std::string, std::map<at::ScalarType, Isa>> paths;
  for (const auto& row : kernel_table())
    if (row.isa <= isa()) paths[row.op][row.dtype] = row.isa;  // the largest comes last
  std::string text;
  for (const auto& [op, by_dtype] : paths) {
    text += fmt::format("  {:<24}", op);
    for (const auto dtype : {at::kFloat, at::kBFloat16})
      text += fmt::format(" {}: {:<12}", dtype == at::kFloat ? "fp32" : "bf16", by_dtype.contains(dtype) ? name_of(by_dtype.at(dtype)) : "ATen");
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

bool has_kernel(std::initializer_list<at::Tensor> tensors) {
  const auto dtype = tensors.begin()->scalar_type();
  return (dtype == at::kFloat || dtype == at::kBFloat16) &&
         std::all_of(tensors.begin(), tensors.end(),
                     [&](const at::Tensor& t) { return t.device().is_cpu() && t.scalar_type() == dtype; });
}

}  // namespace ingot::ops
