#pragma once

namespace ingot::model {

/// What is recomputed in the backward pass instead of kept: nothing; the outputs of norms and of SwiGLU (selective, see
/// DecoderLayer); or every layer from its input (full).
enum class Recompute { kNone, kSelective, kFull };

}  // namespace ingot::model
