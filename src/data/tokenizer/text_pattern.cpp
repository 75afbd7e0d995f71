#include "data/tokenizer/text_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "core/error.h"

namespace ingot::data {
namespace {

constexpr size_t kJitStackStart = size_t{32} << 10, kJitStackMax = size_t{16} << 20;

template <auto release>
struct Release {
  template <class Object>
  void operator()(Object* object) const {
    release(object);
  }
};
using MatchData = std::unique_ptr<pcre2_match_data, Release<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Release<pcre2_match_context_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Release<pcre2_compile_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Release<pcre2_jit_stack_free>>;

/// What a search writes to; every thread has its own.
struct SearchMemory {
  MatchData data{pcre2_match_data_create(1, nullptr)};
  JitStack stack{pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr)};
  MatchContext context{pcre2_match_context_create(nullptr)};
  SearchMemory() { pcre2_jit_stack_assign(context.get(), nullptr, stack.get()); }
};

SearchMemory& search_memory() {
  thread_local SearchMemory memory;
  return memory;
}

std::string message_of(int error) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct TextPattern::Program {
  std::unique_ptr<pcre2_code, void (*)(pcre2_code*)> code{nullptr, pcre2_code_free};
  bool compiled = false;  // to machine code
};

TextPattern TextPattern::literal(std::string text) {
  TextPattern pattern;
  pattern.literal_ = std::move(text);
  return pattern;
}

TextPattern TextPattern::regex(const std::string& expression, const std::string& source) {
  const std::string translated = translate_to_pcre2(expression, source);
  const CompileContext context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t error_at = 0;
  auto program = std::make_shared<Program>();
  program->code.reset(pcre2_compile(units(translated), translated.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
                                    &error_at, context.get()));
  if (!program->code)
    throw DataError(fmt::format("{}: regular expression {}: {}", source, expression, message_of(error)));
  program->compiled = pcre2_jit_compile(program->code.get(), PCRE2_JIT_COMPLETE) == 0;
  TextPattern pattern;
  pattern.program_ = std::move(program);
  return pattern;
}

std::optional<TextRange> TextPattern::find(std::string_view text, size_t from) const {
  if (program_) return run_program(text, from);
  const size_t begin = text.find(literal_, from);
  if (begin == std::string_view::npos) return std::nullopt;
  return TextRange{begin, begin + literal_.size()};
}

std::optional<TextRange> TextPattern::run_program(std::string_view text, size_t from) const {
  SearchMemory& memory = search_memory();
  const auto match = program_->compiled ? pcre2_jit_match : pcre2_match;
  const uint32_t options = program_->compiled ? 0 : PCRE2_NO_UTF_CHECK;
  const int found = match(program_->code.get(), units(text), text.size(), from, options, memory.data.get(),
                          memory.context.get());
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (found < 0) throw DataError(fmt::format("regular expression failed on the text: {}", message_of(found)));
  const size_t* const range = pcre2_get_ovector_pointer(memory.data.get());
  return TextRange{range[0], range[1]};
}

}  // namespace ingot::data
