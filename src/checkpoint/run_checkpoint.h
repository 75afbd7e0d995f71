#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_list.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/state_reader.h"
#include "checkpoint/state_writer.h"
#include "core/json.h"

namespace ingot::checkpoint {

/// A tensor of a run's state, or a rank's part of it: `value` is made of slices of the whole, one after another along `dim`.
struct RunTensor {
  struct Part {
    Slice slice;
    int64_t begin, extent;  // in the value along `dim`
    bool is_written;        // by this rank; another one writes it where several hold it
  };
  /// One that this rank has all of.
  RunTensor(std::string name, at::Tensor value);
  std::string name;
  at::Tensor value;
  Shape shape;  // of the whole
  int64_t dim = 0;
  std::vector<Part> parts;  // that this rank has; none: the value says no more than a type
  bool is_whole() const { return !parts.empty() && value.sizes() == at::IntArrayRef(shape); }
};

/// Everything a run needs to go on as if it had never stopped.
struct RunState {
  std::vector<RunTensor> tensors;  // "model.NAME", "optimizer.first_moment.NAME" ...
  Json state;                        // step, consumed samples, schedule, seeds; small
};

inline constexpr uint64_t kMaxStateBytes = uint64_t{4} << 30;  // of a file of a checkpoint

/// The ranks that write a checkpoint together, each its parts, to one disk or several. The first leads: it waits until every part is there, and
/// makes the manifest. On each disk the first of those that write to it makes the folder, and publishes: on several disks all, before one of them
/// removes an older checkpoint.
struct Writers {
  WriterPlace own;
  bool leads_disk = true;
  int64_t num_disks = 1;
  /// What the first on this disk says, on all that write to it; these call it, each in the thread that trains.
  std::function<std::string(const std::string& text)> text_of_disk_leader = {};
  /// The other writers' texts, in their order, on the leader; all call it, each in the thread that saves.
  std::function<std::vector<std::string>(const std::string& text)> texts_of_others = {};
  /// The leader's text on every writer; all call it, in that thread, where there are several disks.
  std::function<std::string(const std::string& text)> text_of_leader = {};
};

/// Saves in the background, from the tensors themselves: who changes one asks first, with wait_until_written. They go to
/// `FOLDER/.staging-*`, hashed, fsynced, renamed; then latest_checkpointed_iteration.txt moves (DESIGN decision 6) and
/// checkpoints beyond `save_total_limit` are removed.
class CheckpointWriter {
 public:
  /// `save_total_limit` 0 keeps all; a file of a checkpoint holds at most `max_shard_bytes`, or one tensor.
  CheckpointWriter(std::filesystem::path folder, int64_t save_total_limit, uint64_t max_shard_bytes = kMaxStateBytes, Writers writers = {});
  ~CheckpointWriter();  // waits for a save under way; what went wrong with it becomes a warning
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  /// Begins to write the tensors, in their order, and returns; waits first for a save still under way. An error of that one
  /// is a warning: the new state is saved all the same, and waited for. Throws when this save, too, fails. All writers call it together.
  void save(int64_t step, RunState state);
  /// Returns when the save under way, if any, needs this tensor's memory no more: it is written, or the save has failed.
  void wait_until_written(const at::Tensor& tensor);
  /// Waits for the save under way; throws what went wrong.
  void wait();

 private:
  bool finish_pending();  // false when the save under way failed, which becomes a warning
  struct Save;
  Save begin_save(int64_t step, RunState state);
  void run_save(const Save& save);
  void write_pieces(const Save& save, StateWriter& store);
  void lead(const Save& save);
  void take_part(const Save& save);
  std::string say(const std::exception_ptr& failure, const std::function<std::string()>& find);
  void publish(const Save& save, const std::string& manifest);
  void take_back_unless(const std::function<void()>& all_agree, int64_t step, bool has_published);
  void note_published(int64_t step);
  void note_written(size_t num_tensors);
  std::filesystem::path folder_;
  int64_t save_total_limit_;
  uint64_t max_shard_bytes_;
  Writers writers_;
  std::map<const void*, size_t> places_;  // of the tensors of the save under way, by their memory
  std::mutex mutex_;
  std::condition_variable written_;
  size_t num_written_ = 0;  // tensors of the save under way that it needs no more
  std::future<void> pending_;
};

/// A checkpoint whose every digest is right.
struct LoadedCheckpoint {
  CheckpointInfo info;
  StateReader store;  // a tensor is read when it is asked for
};

/// The newest checkpoint in `folder` that is sound, or nothing when there is none at all. The newest is the
/// one that latest_checkpointed_iteration.txt names; without that file, the one of the highest step. A damaged one is
/// named in a warning with the file and the reason, and the one before it is taken. Throws DataError when there are
/// checkpoints and none is sound. Staging folders of dead processes are removed.
std::optional<LoadedCheckpoint> load_newest_checkpoint(const std::filesystem::path& folder);

/// One whose files lie on several disks: of those named here, which are on this one, each digest is right. Throws DataError.
LoadedCheckpoint load_checkpoint(const CheckpointInfo& info, const std::set<std::string>& files);

/// Which of its files `names`, all of them here, are as its manifest says in every byte; another one is named in a warning.
std::set<std::string> sound_files(const CheckpointInfo& info, const std::set<std::string>& names);

/// Those of its files that hold a part that one of `tensors` has.
std::set<std::string> files_with(const CheckpointInfo& info, const std::vector<RunTensor>& tensors);

/// The state, without tensors, of the checkpoint that load_newest_checkpoint would try first and whose manifest is sound; null when
/// there is none.
Json newest_state(const std::filesystem::path& folder);

}  // namespace ingot::checkpoint
