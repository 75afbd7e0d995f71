#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/function_ref.h"
#include "data/tokenizer/text_pattern.h"

namespace ingot::data {

/// Takes the parts of a text one after another. `at_start` tells that the part opens the whole text.
using PartSink = FunctionRef<void(std::string_view part, bool at_start)>;

/// Cuts a text into parts that the model encodes each for itself; a part may be rewritten on the way.
using PreTokenizer = std::function<void(std::string_view text, bool at_start, PartSink sink)>;

/// What becomes of a match. Source: the `behavior` of a Split in a tokenizer.json.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitOptions {
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between the matches is taken as the matches
};

PreTokenizer split_pretokenizer(TextPattern pattern, SplitOptions options);

/// Puts a space before every part that does not start with one.
PreTokenizer prefix_space_pretokenizer();

struct MetaspaceOptions {
  std::string replacement = "\xE2\x96\x81";  // U+2581
  bool prepend_always = true, prepend_first = false;
  bool split = true;  // before every replacement character
};

/// Writes spaces as `replacement`, also before the text when asked, and cuts before each.
PreTokenizer metaspace_pretokenizer(MetaspaceOptions options);

/// One after another, each on the parts of the one before; none at all gives the whole text.
PreTokenizer sequence_pretokenizer(std::vector<PreTokenizer> steps);

/// GPT-2's split of English text (Radford et al. 2019), which byte-level pre-tokenizers have built in.
inline constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Llama 3's and GLM-4's split: digits in groups of up to three.
inline constexpr const char* kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The same with every digit alone: the split of all Qwen models.
inline constexpr const char* kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace ingot::data
