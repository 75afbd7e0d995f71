#include "train/saved_state.h"

namespace ingot::train {

checkpoint::LoadedCheckpoint save_and_open(const TemporaryFolder& folder, checkpoint::RunState state) {
  checkpoint::CheckpointWriter writer(folder.path(), 0);
  writer.save(5, std::move(state));
  writer.wait();
  return checkpoint::load_newest_checkpoint(folder.path()).value();
}

}  // namespace ingot::train
