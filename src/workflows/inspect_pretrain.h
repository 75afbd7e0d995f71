#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "config/train_config.h"
#include "data/shards/row_cuts.h"
#include "workflows/inspect.h"

namespace ingot::workflows {

/// Preprocessed data of stage pt.
struct PretrainData {
  std::filesystem::path prefix;
  std::vector<std::string> sets = {};  // data sets whose rows are cut each by itself; none: all are one stream
};
PretrainData pretrain_data(const config::TrainConfig& config);

/// Its rows of so many tokens. Throws ConfigError when there is no ledger that tells the sets apart.
data::RowCuts cuts_of(const PretrainData& data, const data::IndexedDataset& tokens, int64_t seq_length);

/// Shows what became of every record. Throws ConfigError when the data is not made yet, DataError when its ledger lacks
/// something.
void inspect_pretrain(const InspectRequest& request, const PretrainData& data, std::ostream& out);

}  // namespace ingot::workflows
