#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace ingot::workflows {

/// What is not said stays as the configuration has it, or is sought where there is none.
struct PlanRequest {
  std::filesystem::path config;        // empty: of `model`
  std::vector<std::string> overrides;  // "key=value", of a configuration
  std::string model;                   // a key of the catalog, a model folder, or "all": the catalog
  std::string finetuning_type = "full", precision = "bf16";
  int64_t lora_rank = 8;
  std::optional<int64_t> devices, tp, pp, cp, ep, dp, virtual_stages, zero;
  std::optional<int64_t> seq_length, micro_batch, global_batch;
  std::optional<std::string> recompute;
  std::string memory;                  // of a device, "64GiB"; empty: the machine's, 64 GiB without a configuration
  std::optional<double> flops, link, network, latency, memory_rate, layer, at_once, disk;  // see train::Hardware
  std::optional<int64_t> devices_per_node;
  bool json = false;
};

/// Prints what a run takes of memory, time and disk, what fits, the fastest layouts and the cheapest change that makes the rest fit;
/// no weight is read. Returns the exit code. Throws ConfigError for a layout that is not possible, naming the nearest ones that are.
int plan(const PlanRequest& request, std::ostream& out);

}  // namespace ingot::workflows
