#pragma once

#include <string>
#include <vector>

#include "core/json.h"
#include "parallel/communicator.h"

namespace ingot::train {

/// Throws ConfigError naming the fields in which this rank's `facts`, a flat object, are not those of rank 0: another configuration, other
/// data, another checkpoint to go on from. Every rank calls it.
void check_ranks_agree(parallel::Communicator& ranks, const Json& facts);

/// Rank 0's text on every rank.
std::string text_of_first_rank(parallel::Communicator& ranks, const std::string& text);

/// Of the ranks' texts the first that is not empty, on every rank.
std::string first_text(parallel::Communicator& ranks, const std::string& text);

/// The other ranks' texts, in their order, on rank 0; nothing on these. Every rank calls it; they return when rank 0 has their text.
std::vector<std::string> texts_to_first_rank(parallel::Communicator& ranks, const std::string& text);

/// The texts of all ranks, in their order, on every rank.
std::vector<std::string> texts_of_all(parallel::Communicator& ranks, const std::string& text);

/// Rank 0's number on every rank.
double of_first_rank(parallel::Communicator& ranks, double number);

}  // namespace ingot::train
