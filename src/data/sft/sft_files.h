#pragma once

#include <filesystem>

namespace ingot::data {

/// The parts of a preprocessed data set, as prefixes of a .bin and an .idx each.
struct SftFiles {
  explicit SftFiles(const std::filesystem::path& prefix);
  std::filesystem::path tokens;     // PREFIX_input_ids_document
  std::filesystem::path loss_mask;  // PREFIX_loss_mask_document: u8, as RenderedChat has it
  std::filesystem::path loss_weights;  // PREFIX_loss_weights_document: of each token the bits of a float, i32; of no token
                                       // where all labels weigh 1
  /// Megatron's instruction layout, i32, one sequence a sample: ids, ones, and labels (not shifted; -100 where none counts).
  /// Source: CONTRACT §4.3.
  std::filesystem::path packed_input_ids, packed_attention_mask, packed_labels;
};

}  // namespace ingot::data
