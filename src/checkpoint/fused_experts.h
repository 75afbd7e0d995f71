#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/weight_file.h"

namespace ingot::checkpoint {

/// A tensor and where its values lie: in one of a file's tensors, or in rows of it.
struct StoredTensor {
  TensorInfo info;
  std::string stored;                    // the name in the file
  std::optional<int64_t> first_row = {}; // of the stored tensor seen as [rows, last dim]; nothing: it is the whole
};

/// Mixtral's experts as transformers 5 may write them, one tensor for all of a layer: "L.mlp.experts.gate_up_proj"
/// [experts, 2 * ffn, hidden], "L.mlp.experts.down_proj" [experts, hidden, ffn] and "L.mlp.gate.weight". They are seen under
/// the names and in the parts that the model's makers gave, which every version reads: "L.block_sparse_moe.experts.0.w1.weight"
/// ... and "L.block_sparse_moe.gate.weight".
class FusedExperts {
 public:
  /// Of the names of all tensors in a folder.
  explicit FusedExperts(const std::vector<std::string>& stored);
  /// The tensors that one of the file's holds; itself where it holds no fused experts. Throws DataError naming `source` for
  /// a shape that is none of the above.
  std::vector<StoredTensor> places(const TensorInfo& stored, const std::string& source) const;

 private:
  std::set<std::string> layers_;  // with fused experts
};

}  // namespace ingot::checkpoint
