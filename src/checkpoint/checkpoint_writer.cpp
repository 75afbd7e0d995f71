#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "checkpoint/state_writer.h"
#include "core/file.h"
#include "core/log.h"
#include "core/staging.h"
#include "core/stop.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

std::vector<StatePiece> pieces_of(const std::vector<NamedTensor>& tensors) {
  std::vector<StatePiece> pieces;
  for (const auto& [name, value] : tensors) {
    const Shape shape = value.sizes().vec();
    pieces.push_back({name, to_dtype(value.scalar_type()), shape, whole_of(shape)});
  }
  return pieces;
}

void put_tensor(StateWriter& store, const NamedTensor& tensor) {
  const at::NoGradGuard no_grad;
  const auto value = tensor.value.detach().to(at::kCPU).contiguous();  // on a CPU most often the tensor itself
  store.put(tensor.name, whole_of(value.sizes().vec()), {static_cast<const char*>(value.const_data_ptr()), value.nbytes()});
}

/// Removes the oldest checkpoints up to `newest` until `limit` of them are left; 0 keeps all. Later ones belong to a run that was
/// given up: they are not counted and stay.
void remove_beyond_limit(const fs::path& folder, int64_t newest, int64_t limit) {
  if (limit == 0) return;
  auto checkpoints = list_checkpoints(folder);
  std::erase_if(checkpoints, [&](const CheckpointInfo& info) { return info.step > newest; });
  const auto count = static_cast<int64_t>(checkpoints.size());
  for (int64_t i = 0; i < count - limit; ++i) remove_whole(checkpoints[static_cast<size_t>(i)].folder);
}

}  // namespace

CheckpointWriter::CheckpointWriter(fs::path folder, int64_t save_total_limit, uint64_t max_shard_bytes)
    : folder_(std::move(folder)), save_total_limit_(save_total_limit), max_shard_bytes_(max_shard_bytes) {}

CheckpointWriter::~CheckpointWriter() { finish_pending(); }

void CheckpointWriter::save(int64_t step, RunState state) {
  const bool failed_before = !finish_pending();
  places_.clear();
  num_written_ = 0;
  for (size_t i = 0; i < state.tensors.size(); ++i) places_[state.tensors[i].value.const_data_ptr()] = i;
  const auto save_it = [this, step, of = std::move(state)] { run_save(step, of); };
  try {
    pending_ = std::async(std::launch::async, save_it);
  } catch (const std::system_error& error) {
    log_warning(fmt::format("no thread can be started ({}): training waits while step {} is saved", error.what(), step));
    save_it();
  }
  if (failed_before) wait();
}

void CheckpointWriter::wait_until_written(const at::Tensor& tensor) {
  const auto place = places_.find(tensor.const_data_ptr());
  if (place == places_.end()) return;
  std::unique_lock lock(mutex_);
  written_.wait(lock, [&] { return num_written_ > place->second; });
}

void CheckpointWriter::note_written(size_t num_tensors) {
  const std::lock_guard lock(mutex_);
  num_written_ = num_tensors;
  written_.notify_all();
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

/// However it ends, nobody waits for a tensor afterwards.
void CheckpointWriter::run_save(int64_t step, const RunState& state) {
  struct Release {
    CheckpointWriter& writer;
    size_t num_tensors;
    ~Release() { writer.note_written(num_tensors); }
  } release{*this, state.tensors.size()};
  write(step, state);
}

void CheckpointWriter::write(int64_t step, const RunState& state) {
  remove_staging(folder_, [](const std::string& label) { return step_of_name(label).has_value(); });
  const std::string name = checkpoint_name(step);
  {
    StagingFolder staging(folder_, name);
    StateWriter store(staging.path(), pieces_of(state.tensors), max_shard_bytes_);
    for (size_t i = 0; i < state.tensors.size(); ++i) {
      put_tensor(store, state.tensors[i]);
      note_written(i + 1);
    }
    store.commit(step, state.state);
    check_not_foreign(folder_ / name);
    staging.publish(folder_ / name);
  }
  write_file(folder_ / kTrackerFile, std::to_string(step));
  note_saved_step(step);
  remove_beyond_limit(folder_, step, save_total_limit_);
}

}  // namespace ingot::checkpoint
