#pragma once

#include <string>
#include <vector>

#include "config/train_config.h"
#include "core/json.h"
#include "hub/model_folder.h"
#include "hub/run_folder.h"

namespace ingot::hub {

/// The start of a run in its folder, which lets nothing of another run into it. RUN/run.json says from the first moment what the run
/// is of: base model (its config.json and a digest of its weights), tokenizer, stage, kind, adapter, template. Before the
/// first checkpoint the folder follows the configuration. With a checkpoint, what the record says must be what the configuration
/// says. overwrite_output_dir throws away what another run left, never the checkpoints that this one can go on from: it was started again,
/// by a scheduler or with settings that may change. What is referred to must outlive it.
class RunStart {
 public:
  /// Looks, and writes nothing. The weights of `base` are opened where an earlier session has not seen the same files. `is_spread`: the run has
  /// several disks, and this one may have got its checkpoint and record from another: then source/ and source_layout/ are made again.
  /// Throws ConfigError naming everything that differs and the ways out.
  RunStart(const config::TrainConfig& config, const ModelFolder& base, const RunFolder& run, bool is_spread = false);
  /// From a checkpoint of this run.
  bool goes_on() const { return has_checkpoints_ && !overwrites_; }
  /// To be called once the data is open, of a run that goes on: with overwrite_output_dir it is another run than the one whose
  /// checkpoints are there, and does not go on, when what a resumed run must have unchanged is not, as `differences` say.
  void settle(const std::vector<std::string>& differences);
  /// There is no checkpoint, of this or another run, that would have to stay when the run is refused.
  bool is_fresh() const { return !has_checkpoints_; }
  bool tie_word_embeddings() const;  // as the base's files decide: model_folder.h
  /// Throws away what is to go, writes run.json, and, of a run that does not go on, source/ and source_layout/, which appear whole.
  /// To be called before anything else is written: of a fresh run at once, of others when nothing can refuse them any more.
  void begin() const;

 private:
  const config::TrainConfig& config_;
  const ModelFolder& base_;
  RunFolder run_;
  Json record_;
  bool has_checkpoints_, overwrites_, lacks_source_;
  std::vector<std::string> differences_;  // from the run whose checkpoints are there
};

/// In what two records, as run.json of a folder, are of different runs; nothing when one is no object.
std::vector<std::string> record_differences(const Json& was, const Json& is);

/// Whether the head of a run's base is its embedding, as the run found it when it opened its weights. Throws DataError for a
/// record that is damaged.
bool has_tied_head(const RunFolder& run);

}  // namespace ingot::hub
