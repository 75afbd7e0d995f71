#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>

#include "checkpoint/checkpoint_name.h"
#include "checkpoint/own_folder.h"
#include "checkpoint/run_checkpoint.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/staging.h"
#include "core/stop.h"
#include "core/trace.h"

namespace ingot::checkpoint {
namespace fs = std::filesystem;
namespace {

/// The values of a part, without a copy where they lie in one piece.
at::Tensor value_of(const RunTensor& tensor, const RunTensor::Part& part) {
  const at::NoGradGuard no_grad;
  const auto value = tensor.value.detach();
  return (value.dim() == 0 ? value : value.narrow(tensor.dim, part.begin, part.extent)).to(at::kCPU).contiguous();
}

std::vector<StatePiece> pieces_of(const std::vector<RunTensor>& tensors) {
  std::vector<StatePiece> pieces;
  for (const auto& tensor : tensors)
    for (const auto& part : tensor.parts)
      if (part.is_written) pieces.push_back({tensor.name, to_dtype(tensor.value.scalar_type()), tensor.shape, part.slice});
  return pieces;
}

void put_tensor(StateWriter& store, const RunTensor& tensor) {
  for (const auto& part : tensor.parts) {
    if (!part.is_written) continue;
    const auto value = value_of(tensor, part);
    store.put(tensor.name, part.slice, {static_cast<const char*>(value.const_data_ptr()), value.nbytes()});
  }
}

// What a writer tells the leader: that it has written its part, and which, or why it has not.
constexpr char kWritten = '+', kFailed = '-';

/// The texts behind kWritten. Throws CommError with the first reason for which there is none.
std::vector<std::string> parts_in(const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].front() == kFailed) throw CommError(fmt::format("rank {}: {}", i + 1, texts[i].substr(1)));
    parts.push_back(texts[i].substr(1));
  }
  return parts;
}

/// What a writer's own part has failed with is worth more than that it could not be told.
std::vector<std::string> tell(const Writers& writers, const std::string& text, const std::exception_ptr& failure) {
  try {
    return writers.texts_of_others(text);
  } catch (const std::exception&) {
    if (failure) std::rethrow_exception(failure);
    throw;
  }
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

RunTensor::RunTensor(std::string given_name, at::Tensor given)
    : name(std::move(given_name)), value(std::move(given)), shape(value.sizes().vec()),
      parts{{whole_of(shape), 0, shape.empty() ? 1 : shape[0], true}} {}

struct CheckpointWriter::Save {
  int64_t step;
  RunState state;
  std::shared_ptr<StagingFolder> staging;  // the leader's
  fs::path folder;                         // where the parts go; empty: nowhere
  std::exception_ptr failure;              // that there is no folder
};

CheckpointWriter::CheckpointWriter(fs::path folder, int64_t save_total_limit, uint64_t max_shard_bytes, Writers writers)
    : folder_(std::move(folder)), save_total_limit_(save_total_limit), max_shard_bytes_(max_shard_bytes), writers_(std::move(writers)) {}

CheckpointWriter::~CheckpointWriter() { finish_pending(); }

void CheckpointWriter::save(int64_t step, RunState state) {
  const bool failed_before = !finish_pending();
  places_.clear();
  num_written_ = 0;
  for (size_t i = 0; i < state.tensors.size(); ++i) places_[state.tensors[i].value.const_data_ptr()] = i;
  const auto of = std::make_shared<const Save>(begin_save(step, std::move(state)));
  const auto save_it = [this, of] { run_save(*of); };
  try {
    pending_ = std::async(std::launch::async, [save_it] { name_trace_thread("checkpoint"), save_it(); });
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

/// The leader makes the folder; when it cannot, the others have nothing to do, and its own save fails with the reason.
CheckpointWriter::Save CheckpointWriter::begin_save(int64_t step, RunState state) {
  Save save{step, std::move(state), {}, {}, {}};
  if (writers_.own.index == 0) try {
      remove_staging(folder_, [](const std::string& label) { return step_of_name(label).has_value(); });
      save.staging = std::make_shared<StagingFolder>(folder_, checkpoint_name(step));
      save.folder = save.staging->path();
    } catch (const std::exception&) {
      save.failure = std::current_exception();
    }
  if (writers_.own.count > 1) save.folder = writers_.text_of_leader(save.folder.string());
  return save;
}

/// However it ends, nobody waits for a tensor afterwards.
void CheckpointWriter::run_save(const Save& save) {
  struct Release {
    CheckpointWriter& writer;
    size_t num_tensors;
    ~Release() { writer.note_written(num_tensors); }
  } release{*this, save.state.tensors.size()};
  if (save.failure) std::rethrow_exception(save.failure);
  if (save.folder.empty()) return;  // the leader's folder could not be made
  const Span span("checkpoint", "save", {"step", save.step});
  writers_.own.index == 0 ? lead(save) : write_part(save);
}

void CheckpointWriter::write_pieces(const Save& save, StateWriter& store) {
  for (size_t i = 0; i < save.state.tensors.size(); ++i) {
    put_tensor(store, save.state.tensors[i]);
    note_written(i + 1);
  }
}

/// The leader hears all of the others, whatever became of its own part: they wait until it has.
void CheckpointWriter::lead(const Save& save) {
  std::exception_ptr failure;
  std::optional<StateWriter> store;
  try {
    store.emplace(save.folder, pieces_of(save.state.tensors), max_shard_bytes_, writers_.own);
    write_pieces(save, *store);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  const auto texts = writers_.own.count > 1 ? tell(writers_, "", failure) : std::vector<std::string>();
  if (failure) std::rethrow_exception(failure);
  store->commit(save.step, save.state.state, parts_in(texts));
  publish(save);
}

/// Throws what it has told the leader.
void CheckpointWriter::write_part(const Save& save) {
  std::exception_ptr failure;
  std::string told;
  try {
    StateWriter store(save.folder, pieces_of(save.state.tensors), max_shard_bytes_, writers_.own);
    write_pieces(save, store);
    told = kWritten + store.part();
  } catch (const std::exception& error) {
    failure = std::current_exception();
    told = kFailed + std::string(error.what());
  }
  tell(writers_, told, failure);
  if (failure) std::rethrow_exception(failure);
}

void CheckpointWriter::publish(const Save& save) {
  const auto target = folder_ / checkpoint_name(save.step);
  check_not_foreign(target);
  save.staging->publish(target);
  write_file(folder_ / kTrackerFile, std::to_string(save.step));
  note_saved_step(save.step);
  remove_beyond_limit(folder_, save.step, save_total_limit_);
}

}  // namespace ingot::checkpoint
