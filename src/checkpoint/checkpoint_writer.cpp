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

// What begins a text that writers tell each other: what has been done, or why it has not.
constexpr char kDone = '+', kFailed = '-';

/// Why the work was not done; null when it was.
template <class Work>
std::exception_ptr failure_of(const Work& work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception&) {
    return std::current_exception();
  }
}

std::string text_of(const std::exception_ptr& failure, const std::string& done = "") {
  try {
    if (failure) std::rethrow_exception(failure);
    return kDone + done;
  } catch (const std::exception& error) {
    return kFailed + std::string(error.what());
  }
}

/// What has been done. Throws CommError with the reason when it has not.
std::string done_in(const std::string& text, const std::string& who = "") {
  if (text.empty() || text.front() != kDone) throw CommError(who + text.substr(text.empty() ? 0 : 1));
  return text.substr(1);
}

/// The same of the other writers' texts.
std::vector<std::string> parts_in(const std::vector<std::string>& texts) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < texts.size(); ++i) parts.push_back(done_in(texts[i], fmt::format("rank {}: ", i + 1)));
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
  std::shared_ptr<StagingFolder> staging;  // of the first on a disk
  fs::path folder;                         // where the parts go
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

/// The first on a disk makes the folder; when it cannot, the save of all that write there fails with its reason.
CheckpointWriter::Save CheckpointWriter::begin_save(int64_t step, RunState state) {
  Save save{step, std::move(state), {}, {}, {}};
  const auto make_place = [&] {
    remove_staging(folder_, [](const std::string& label) { return step_of_name(label).has_value(); });
    save.staging = std::make_shared<StagingFolder>(folder_, checkpoint_name(step));
  };
  if (writers_.leads_disk) save.failure = failure_of(make_place);
  std::string place = text_of(save.failure, save.staging ? save.staging->path().string() : "");
  if (writers_.own.count > 1) place = writers_.text_of_disk_leader(place);
  if (!save.failure) save.failure = failure_of([&] { save.folder = done_in(place); });
  return save;
}

/// However it ends, nobody waits for a tensor afterwards.
void CheckpointWriter::run_save(const Save& save) {
  struct Release {
    CheckpointWriter& writer;
    size_t num_tensors;
    ~Release() { writer.note_written(num_tensors); }
  } release{*this, save.state.tensors.size()};
  const Span span("checkpoint", "save", {"step", save.step});
  writers_.own.index == 0 ? lead(save) : take_part(save);
}

void CheckpointWriter::write_pieces(const Save& save, StateWriter& store) {
  for (size_t i = 0; i < save.state.tensors.size(); ++i) {
    put_tensor(store, save.state.tensors[i]);
    note_written(i + 1);
  }
}

/// Tells what it finds to those that wait for it, on several disks. Throws `failure`, or why it was not found, when they know.
std::string CheckpointWriter::say(const std::exception_ptr& failure, const std::function<std::string()>& find) {
  std::string found;
  const auto why = failure ? failure : failure_of([&] { found = find(); });
  if (writers_.num_disks > 1) writers_.text_of_leader(text_of(why, found));
  if (why) std::rethrow_exception(why);
  return found;
}

/// The leader hears all of the others, whatever became of its own part: they wait until it has.
void CheckpointWriter::lead(const Save& save) {
  std::optional<StateWriter> store;
  const auto write = [&] {
    if (save.failure) std::rethrow_exception(save.failure);
    store.emplace(save.folder, pieces_of(save.state.tensors), max_shard_bytes_, writers_.own);
    write_pieces(save, *store);
  };
  auto failure = failure_of(write);
  const auto hear_others = [&] { return writers_.own.count > 1 ? tell(writers_, "", failure) : std::vector<std::string>(); };
  const auto parts = hear_others();
  const auto manifest = say(failure, [&] { return store->manifest(save.step, save.state.state, parts_in(parts)); });
  failure = failure_of([&] { publish(save, manifest); });
  if (writers_.num_disks == 1 && failure) std::rethrow_exception(failure);
  if (writers_.num_disks > 1) {
    const auto ends = hear_others();
    take_back_unless([&] { say(failure, [&] { return parts_in(ends), ""; }); }, save.step, !failure);
  }
  note_published(save.step);
}

/// Throws what it has told the leader, or what the leader says.
void CheckpointWriter::take_part(const Save& save) {
  std::string part;
  const auto write = [&] {
    if (save.failure) std::rethrow_exception(save.failure);
    StateWriter store(save.folder, pieces_of(save.state.tensors), max_shard_bytes_, writers_.own);
    write_pieces(save, store);
    part = store.part();
  };
  auto failure = failure_of(write);
  tell(writers_, text_of(failure, part), failure);
  if (writers_.num_disks > 1) {
    const auto word = writers_.text_of_leader("");
    if (failure) std::rethrow_exception(failure);
    const auto manifest = done_in(word);
    if (writers_.leads_disk) failure = failure_of([&] { publish(save, manifest); });
    tell(writers_, text_of(failure), failure);
    const auto end = writers_.text_of_leader("");
    if (!failure) take_back_unless([&] { done_in(end); }, save.step, writers_.leads_disk);
  }
  const bool is_told_by_leader = save.failure && writers_.num_disks == 1;
  if (failure && !is_told_by_leader) std::rethrow_exception(failure);
  if (writers_.num_disks > 1 && writers_.leads_disk) note_published(save.step);
}

/// What another disk has refused is no checkpoint here either: it would use up the place of an older one.
void CheckpointWriter::take_back_unless(const std::function<void()>& all_agree, int64_t step, bool has_published) {
  try {
    all_agree();
  } catch (const std::exception&) {
    if (has_published) remove_whole(folder_ / checkpoint_name(step));
    throw;
  }
}

void CheckpointWriter::publish(const Save& save, const std::string& manifest) {
  write_file(save.folder / kManifestFile, manifest);
  const auto target = folder_ / checkpoint_name(save.step);
  check_not_foreign(target);
  save.staging->publish(target);
}

void CheckpointWriter::note_published(int64_t step) {
  write_file(folder_ / kTrackerFile, std::to_string(step));
  note_saved_step(step);
  remove_beyond_limit(folder_, step, save_total_limit_);
}

}  // namespace ingot::checkpoint
