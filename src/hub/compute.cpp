#include "hub/compute.h"

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>

#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "core/words.h"

namespace ingot::hub {
namespace {

/// Why there is no such device here; nothing where there is one.
std::optional<std::string> why_no_cuda() {
  if (!at::globalContext().hasCUDA()) return "this LibTorch is built without CUDA, or finds no driver";
  if (at::detail::getCUDAHooks().deviceCount() < 1) return "no GPU is to be seen (CUDA_VISIBLE_DEVICES, nvidia-smi)";
  return {};
}

/// Why a library that is a backend of LibTorch, and names itself to it, cannot be loaded; empty when it is.
std::string load_backend(const char* library) {
  return dlopen(library, RTLD_NOW | RTLD_GLOBAL) ? "" : fmt::format("the backend of LibTorch cannot be loaded: {}", dlerror());
}

std::optional<std::string> why_no_npu() {
  static const std::string problem = load_backend("libtorch_npu.so");
  if (!problem.empty()) return problem;
  if (c10::get_privateuse1_backend() != "npu" || !at::isPrivateUse1HooksRegistered())
    return "libtorch_npu.so was loaded and gives LibTorch no backend";
  if (!at::detail::getPrivateUse1Hooks().isAvailable()) return "no NPU is to be seen (ASCEND_RT_VISIBLE_DEVICES, npu-smi info)";
  return {};
}

void expect_word(const std::string& name, const std::string& found, const std::vector<std::string>& words) {
  if (!is_one_of(found, words)) throw ConfigError(fmt::format("{}: found {}, wanted one of {}", name, found, fmt::join(words, ", ")));
}

std::string device_of(const std::string& word, const std::string& name) {
  expect_word(name, word, {"auto", "cpu", "cuda", "npu"});
  if (word == "auto") return !why_no_cuda() ? "cuda" : !why_no_npu() ? "npu" : "cpu";
  const auto problem = word == "cuda" ? why_no_cuda() : word == "npu" ? why_no_npu() : std::nullopt;
  if (problem) throw ConfigError(fmt::format("{}: found {}, wanted a device of this machine, as auto finds: {}", name, word, *problem));
  return word;
}

bool has_bf16_products(const std::string& device) { return device != "cpu" || has_bf16_dot_products(); }

at::ScalarType type_of(const std::string& word, const std::string& name, const std::string& device) {
  expect_word(name, word, {"auto", "bf16", "fp32"});
  return word == "bf16" || (word == "auto" && has_bf16_products(device)) ? at::kBFloat16 : at::kFloat;
}

}  // namespace

Compute find_compute(const ComputeWords& words) {
  const std::string device = device_of(words.device, words.prefix + "device");
  return {type_of(words.precision, words.prefix + "precision", device), device};
}

Compute choose_compute(const ComputeWords& words) {
  const Compute chosen = find_compute(words);
  if (words.device == "auto" && chosen.device != "cpu") log_info(fmt::format("device: {}, which is there", chosen.device));
  if (words.precision == "auto")
    log_info(chosen.type == at::kBFloat16
                 ? fmt::format("precision: bf16, which this {} multiplies in hardware", chosen.device == "cpu" ? "CPU" : "device")
                 : "precision: fp32, this CPU has no bf16 dot products");
  return chosen;
}

}  // namespace ingot::hub
