#include "data/sft/sft_files.h"

#include <fmt/format.h>

namespace ingot::data {

SftFiles::SftFiles(const std::filesystem::path& prefix) {
  const auto part = [&](const char* name) { return std::filesystem::path(prefix) += fmt::format("_{}_document", name); };
  tokens = part("input_ids"), loss_mask = part("loss_mask"), loss_weights = part("loss_weights");
  packed_input_ids = part("packed_input_ids"), packed_attention_mask = part("packed_attention_mask");
  packed_labels = part("packed_labels");
}

}  // namespace ingot::data
