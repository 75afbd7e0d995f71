#include "data/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>

#include "data/tokenizer/utf8.h"

namespace ingot::data {
namespace {

struct Free {
  void operator()(utf8proc_uint8_t* text) const { std::free(text); }
};

int options_of(UnicodeForm form) {
  switch (form) {
    case UnicodeForm::kNfc: return UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    case UnicodeForm::kNfd: return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    case UnicodeForm::kNfkc: return UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    case UnicodeForm::kNfkd: return UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  }
  std::abort();
}

struct Range {
  char32_t first, last;
};

template <size_t size>
bool holds(const Range (&ranges)[size], char32_t c) {
  const auto range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                      [](const Range& known, char32_t value) { return known.last < value; });
  return range != std::end(ranges) && c >= range->first;
}

/// Characters with a combining class or a composition that are younger than Unicode 9.
constexpr Range kYoungMarks[] = {
    {0x7FD, 0x7FD},     {0x898, 0x89F},     {0x8CA, 0x8D3},     {0x9FE, 0x9FE},     {0xC3C, 0xC3C},
    {0xD3B, 0xD3C},     {0xEBA, 0xEBA},     {0x1715, 0x1715},   {0x1ABF, 0x1ACE},   {0x1DF6, 0x1DFA},
    {0xA82C, 0xA82C},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAC}, {0x10EFD, 0x10EFF}, {0x10F46, 0x10F50},
    {0x10F82, 0x10F85}, {0x11070, 0x11070}, {0x1133B, 0x1133B}, {0x1145E, 0x1145E}, {0x11839, 0x1183A},
    {0x11930, 0x11930}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
    {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44, 0x11D45},
    {0x11D97, 0x11D97}, {0x11F41, 0x11F42}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
    {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}};

/// Common ranges of characters that nothing before them changes or joins and that alone are in NFC. Others may be
/// such too, they only take longer. Source: DerivedNormalizationProps, NFC_QC.
constexpr Range kStarters[] = {{0, 0x2FF},         {0x400, 0x482},   {0x2010, 0x2027}, {0x2030, 0x205E},
                               {0x2190, 0x2328},   {0x2500, 0x2AD0}, {0x3000, 0x3029}, {0x3030, 0x3098},
                               {0x309B, 0x9FFF},   {0xAC00, 0xD7A3}, {0xFF00, 0xFFEF}, {0x1F300, 0x1FAFF}};

/// Where a text can be cut without a change to what NFC makes of it.
class NfcCuts {
 public:
  NfcCuts(std::string_view text, NfcVersion version) : text_(text), marks_are_known_(version != NfcVersion::kUnicode9) {}

  /// First byte at or behind `from` of a character before which text can be cut, or cannot; else the end.
  size_t find(size_t from, bool cut) const {
    while (from < text_.size() && is_cut(utf8_code_point(text_.data() + from)) != cut) from += utf8_length(text_[from]);
    return from;
  }

  /// Where the text that `unsafe` may join with starts; `done` is where the character before it starts at the earliest.
  size_t find_begin(size_t done, size_t unsafe) const {
    if (unsafe == done) return unsafe;
    const size_t before = last_character(text_.substr(0, unsafe));
    return is_unknown_mark(utf8_code_point(text_.data() + before)) ? unsafe : before;
  }

 private:
  bool is_cut(char32_t c) const { return c < 0x300 || holds(kStarters, c) || is_unknown_mark(c); }
  bool is_unknown_mark(char32_t c) const { return !marks_are_known_ && holds(kYoungMarks, c); }
  std::string_view text_;
  bool marks_are_known_;
};

}  // namespace

std::string to_unicode_form(std::string_view text, UnicodeForm form) {
  utf8proc_uint8_t* raw = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &raw,
                                 static_cast<utf8proc_option_t>(options_of(form)));
  const std::unique_ptr<utf8proc_uint8_t, Free> result(raw);
  if (size < 0) throw std::bad_alloc();  // the text is valid UTF-8: memory is all that can be missing
  return {reinterpret_cast<const char*>(raw), static_cast<size_t>(size)};
}

std::string to_nfc(std::string_view text, NfcVersion version) {
  const NfcCuts cuts(text, version);
  std::string out;
  out.reserve(text.size());
  size_t done = 0;
  while (done < text.size()) {
    const size_t unsafe = cuts.find(done, false);
    if (unsafe == text.size()) break;
    const size_t begin = cuts.find_begin(done, unsafe), end = cuts.find(unsafe, true);
    out.append(text.substr(done, begin - done));
    out.append(to_unicode_form(text.substr(begin, end - begin), UnicodeForm::kNfc));
    done = end;
  }
  return out.append(text.substr(done));
}

}  // namespace ingot::data
