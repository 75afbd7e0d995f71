#pragma once

#include "ops/attention.h"

namespace ingot::ops {

/// The options of a pass forward, for the pass backward, among what autograd keeps (AutogradContext::saved_data).
template <class SavedData>
void save_options(const AttentionOptions& options, SavedData& saved) {
  saved["window"] = options.window;
  saved["alibi_slopes"] = options.alibi_slopes;
}
template <class SavedData>
AttentionOptions saved_options(SavedData& saved) {
  return {saved["window"].toInt(), saved["alibi_slopes"].toDoubleVector()};
}

}  // namespace ingot::ops
