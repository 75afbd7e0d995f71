#pragma once

#include <optional>

#include "data/shards/block_board.h"

namespace ingot::data {

/// The paths of a data set as input_files has them, but without the digests, which rank 0 alone makes: it reads the files.
InputFiles listed_files(const std::vector<std::filesystem::path>& inputs);

/// For ranks other than 0: what rank 0 makes of `work`, which lacks the digests of its inputs, with them; nothing when the output
/// stands already, or is one block. Waits for rank 0 as long as it shows that it lives, else ten minutes. Throws ConfigError when
/// rank 0 makes it of something else, CommError when it does not come, Error(kExitTerminated) when asked to stop.
std::optional<BlockWork> await_work(BlockWork work, JobRank rank);

}  // namespace ingot::data
