#include "data/tokenizer/pretokenizer.h"

#include "data/tokenizer/normalizer.h"
#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

/// Calls `sink(range, is_match)` for the matches and what lies between them, in order, empty ones left out.
template <class Sink>
void visit_ranges(const TextPattern& pattern, std::string_view text, const Sink& sink) {
  size_t done = 0, from = 0;
  while (from < text.size()) {
    const auto match = pattern.find(text, from);
    if (!match) break;
    if (match->begin > done) sink(TextRange{done, match->begin}, false);
    if (match->end > match->begin) sink(*match, true);
    done = match->end;
    from = match->end > match->begin ? match->end : match->end + (done < text.size() ? utf8_length(text[done]) : 1);
  }
  if (done < text.size()) sink(TextRange{done, text.size()}, false);
}

/// Joins ranges as a behavior says; a range is handed on when it is known that nothing joins it any more.
class RangeJoiner {
 public:
  RangeJoiner(SplitBehavior behavior, FunctionRef<void(TextRange)> sink) : behavior_(behavior), sink_(sink) {}

  void add(TextRange range, bool is_match) {
    if (has_pending_ && joins(is_match)) {
      pending_.end = range.end;
      pending_is_match_ = is_match;
      return;
    }
    flush();
    pending_ = range;
    pending_is_match_ = is_match;
    has_pending_ = true;
  }

  void flush() {
    if (has_pending_) sink_(pending_);
    has_pending_ = false;
  }

 private:
  bool joins(bool is_match) const {
    switch (behavior_) {
      case SplitBehavior::kContiguous: return is_match == pending_is_match_;
      case SplitBehavior::kMergedWithPrevious: return is_match && !pending_is_match_;
      case SplitBehavior::kMergedWithNext: return !is_match && pending_is_match_;
      default: return false;
    }
  }

  SplitBehavior behavior_;
  FunctionRef<void(TextRange)> sink_;
  TextRange pending_;
  bool has_pending_ = false, pending_is_match_ = false;
};

void run_steps(const std::vector<PreTokenizer>& steps, size_t step, std::string_view text, bool at_start,
               PartSink sink) {
  if (step == steps.size()) return sink(text, at_start);
  steps[step](text, at_start, [&](std::string_view part, bool part_at_start) {
    run_steps(steps, step + 1, part, part_at_start, sink);
  });
}

}  // namespace

PreTokenizer split_pretokenizer(TextPattern pattern, SplitOptions options) {
  return [pattern = std::move(pattern), options](std::string_view text, bool at_start, PartSink sink) {
    const auto emit = [&](TextRange range) {
      sink(text.substr(range.begin, range.end - range.begin), at_start && range.begin == 0);
    };
    const bool removed = options.behavior == SplitBehavior::kRemoved;
    if (removed || options.behavior == SplitBehavior::kIsolated) {
      visit_ranges(pattern, text, [&](TextRange range, bool is_match) {
        if (!removed || is_match == options.invert) emit(range);
      });
      return;
    }
    RangeJoiner joiner(options.behavior, emit);
    visit_ranges(pattern, text, [&](TextRange range, bool is_match) { joiner.add(range, is_match != options.invert); });
    joiner.flush();
  };
}

PreTokenizer prefix_space_pretokenizer() {
  return [](std::string_view text, bool at_start, PartSink sink) {
    if (text.starts_with(' ')) return sink(text, at_start);
    sink(std::string(" ").append(text), at_start);
  };
}

PreTokenizer metaspace_pretokenizer(MetaspaceOptions options) {
  const auto space = TextPattern::literal(" "), replacement = TextPattern::literal(options.replacement);
  auto split = split_pretokenizer(replacement, {.behavior = SplitBehavior::kMergedWithNext});
  return [=](std::string_view text, bool at_start, PartSink sink) {
    std::string rewritten = replace_matches(std::string(text), space, options.replacement, most_bytes(text.size()));
    const bool wanted = options.prepend_always || (options.prepend_first && at_start);
    if (wanted && !rewritten.starts_with(options.replacement)) rewritten.insert(0, options.replacement);
    if (options.split) split(rewritten, at_start, sink);
    else sink(rewritten, at_start);
  };
}

PreTokenizer sequence_pretokenizer(std::vector<PreTokenizer> steps) {
  return [steps = std::move(steps)](std::string_view text, bool at_start, PartSink sink) {
    run_steps(steps, 0, text, at_start, sink);
  };
}

}  // namespace ingot::data
