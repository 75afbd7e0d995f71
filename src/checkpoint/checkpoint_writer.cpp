#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/manifest.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "checkpoint/shard_plan.h"
#include "core/staging.h"
#include "core/file.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

/// Copies the tensors into `buffers`, which keep their memory from save to save.
void copy_tensors(const std::vector<NamedTensor>& tensors, std::vector<NamedTensor>& buffers) {
  const at::NoGradGuard no_grad;
  buffers.resize(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& value = tensors[i].value;
    auto& buffer = buffers[i];
    buffer.name = tensors[i].name;
    if (!buffer.value.defined() || buffer.value.sizes() != value.sizes() || buffer.value.dtype() != value.dtype()) {
      const bool pinned = !value.is_cpu();  // page-locked memory takes copies from a device at full speed
      buffer.value = at::empty(value.sizes(), value.options().device(at::kCPU).pinned_memory(pinned));
    }
    buffer.value.copy_(value.detach());
  }
}

TensorSource source_of(const NamedTensor& tensor) {
  return {tensor.name, to_dtype(tensor.value.scalar_type()), tensor.value.sizes().vec(),
          [&value = tensor.value](const ByteSink& sink) {
            sink({static_cast<const char*>(value.const_data_ptr()), value.nbytes()});
          }};
}

/// Writes the shards and the manifest, which comes last.
void write_files(const fs::path& folder, Manifest manifest, const std::vector<NamedTensor>& tensors,
                 uint64_t max_shard_bytes) {
  std::vector<uint64_t> sizes;
  for (const auto& tensor : tensors) sizes.push_back(tensor.value.nbytes());
  const auto shards = plan_shards(sizes, max_shard_bytes);
  manifest.tensors.resize(tensors.size());
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name("state", i, shards.size());
    std::vector<TensorSource> sources;
    for (const size_t number : shards[i]) {
      const auto& source = sources.emplace_back(source_of(tensors[number]));
      manifest.tensors[number] = {source.name, source.dtype, source.shape, name};
    }
    const std::string sha256 = write_safetensors(folder / name, std::move(sources), {});
    manifest.files[name] = {sha256, fs::file_size(folder / name)};
  }
  write_file(folder / kManifestFile, format_manifest(manifest));
}

/// Removes the oldest checkpoints up to `newest` until `limit` of them are left. Later ones belong to a run that was
/// given up: they are not counted and stay.
void remove_beyond_limit(const fs::path& folder, int64_t newest, int64_t limit) {
  auto checkpoints = list_checkpoints(folder);
  std::erase_if(checkpoints, [&](const CheckpointInfo& info) { return info.step > newest; });
  const auto count = static_cast<int64_t>(checkpoints.size());
  for (int64_t i = 0; limit > 0 && i < count - limit; ++i) remove_whole(checkpoints[static_cast<size_t>(i)].folder);
}

}  // namespace

CheckpointWriter::CheckpointWriter(fs::path folder, int64_t save_total_limit, uint64_t max_shard_bytes)
    : folder_(std::move(folder)), save_total_limit_(save_total_limit), max_shard_bytes_(max_shard_bytes) {}

CheckpointWriter::~CheckpointWriter() { finish_pending(); }

void CheckpointWriter::save(int64_t step, const RunState& state) {
  const bool failed_before = !finish_pending();
  copy_tensors(state.tensors, buffers_);
  const auto write_it = [this, step, document = state.state] { write(step, document); };
  try {
    pending_ = std::async(std::launch::async, write_it);
  } catch (const std::system_error& error) {
    log_warning(fmt::format("no thread can be started ({}): training waits while step {} is saved", error.what(), step));
    write_it();
  }
  if (failed_before) wait();
}

void CheckpointWriter::wait() {
  if (pending_.valid()) pending_.get();
}

bool CheckpointWriter::finish_pending() {
  try {
    wait();
    return true;
  } catch (const std::exception& error) {
    log_warning(fmt::format("the last checkpoint was not saved: {}", error.what()));
    return false;
  }
}

void CheckpointWriter::write(int64_t step, const Json& state) const {
  remove_staging(folder_, [](const std::string& label) { return step_of_name(label).has_value(); });
  const std::string name = checkpoint_name(step);
  {
    StagingFolder staging(folder_, name);
    write_files(staging.path(), {step, state, {}, {}}, buffers_, max_shard_bytes_);
    check_no_foreign_checkpoint(folder_);
    staging.publish(folder_ / name);
  }
  write_file(folder_ / kTrackerFile, std::to_string(step));
  note_saved_step(step);
  remove_beyond_limit(folder_, step, save_total_limit_);
}

}  // namespace ingot::checkpoint
