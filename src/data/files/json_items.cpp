#include "data/files/json_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace ingot::data {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

bool is_blank(std::string_view text) { return text.find_first_not_of(kBlank) == std::string_view::npos; }

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? text.substr(0, 0)
                                         : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// Where the first line end at or behind `from` is; npos where there is none.
size_t line_end(std::string_view view, size_t from) {
  const size_t feed = view.find('\n', from), limit = std::min(feed, view.size());
  return std::min(view.substr(0, limit).find('\r', from), feed);
}

class JsonLines : public JsonItems {
 public:
  using JsonItems::JsonItems;

  std::optional<std::string_view> next() override {
    while (auto line = next_line())
      if (too_long_ || !is_blank(*line)) return line;
    return std::nullopt;
  }

 private:
  std::optional<std::string_view> next_line() {
    window_.drop(std::exchange(consumed_, 0));
    too_long_ = false;
    for (size_t searched = 0;;) {
      const std::string_view view = window_.view();
      const size_t end = line_end(view, searched);
      const bool may_be_pair = end != view.npos && end + 1 == view.size() && view.back() == '\r';
      if (end != view.npos && !(may_be_pair && window_.grow())) {
        const std::string_view seen = window_.view();
        return take(end, end + (seen.substr(end, 2) == "\r\n" ? 2 : 1));
      }
      searched = end == view.npos ? view.size() : end;
      if (end != view.npos || window_.grow()) continue;
      if (window_.full()) return pass_over();
      if (searched == 0) return std::nullopt;
      return take(searched, searched);
    }
  }
  std::string_view take(size_t length, size_t consumed) {
    consumed_ = consumed;
    ++row_;
    return window_.view().substr(0, length);
  }
  /// Drops a line that does not fit into the window, with its end.
  std::string_view pass_over() {
    too_long_ = true;
    ++row_;
    size_t end = std::string_view::npos;
    while (end == std::string_view::npos) {
      window_.drop(window_.view().size());
      if (!window_.grow()) return {};
      end = line_end(window_.view(), 0);
    }
    window_.drop(end);
    if (window_.view().size() == 1) window_.grow();
    window_.drop(window_.view().starts_with("\r\n") ? 2 : 1);
    return {};
  }
};

/// Finds the ends of an array's elements by brackets and strings alone; their syntax is the parser's matter.
class JsonElements : public JsonItems {
 public:
  /// The window starts behind the opening bracket.
  using JsonItems::JsonItems;

  std::optional<std::string_view> next() override {
    window_.drop(std::exchange(consumed_, 0));
    if (ended_) return expect_end();
    ++row_;
    too_long_ = false;
    const size_t end = element_end();
    const std::string_view element = too_long_ ? std::string_view() : trimmed(window_.view().substr(0, end));
    ended_ = window_.view()[end] == ']';
    consumed_ = end + 1;
    if (ended_ && row_ == 1 && element.empty() && !too_long_) return next();  // []
    return element;
  }

 private:
  /// Position of the comma or bracket behind the element.
  size_t element_end() {
    int64_t depth = 0;
    for (size_t at = 0;; ++at) {
      switch (byte(at)) {
        case '"': string_end(++at); break;
        case '{':
        case '[': ++depth; break;
        case ']':
          if (depth == 0) return at;
          [[fallthrough]];
        case '}': --depth; break;
        case ',':
          if (depth <= 0) return at;
          break;
        default: break;
      }
    }
  }
  /// Moves `at`, behind an opening quote, to the closing one.
  void string_end(size_t& at) {
    for (;; ++at) {
      const char c = byte(at);
      if (c == '"') return;
      if (c == '\\') byte(++at);
    }
  }
  /// The byte at `at`; the bytes before it are dropped, and `at` moved, when the element no longer fits into the window.
  char byte(size_t& at) {
    while (at >= window_.view().size()) {
      if (window_.grow()) continue;
      if (!window_.full()) throw DataError(fmt::format("{}: ends inside element {}", file(), row_));
      too_long_ = true;
      window_.drop(at);
      at = 0;
    }
    return window_.view()[at];
  }
  std::optional<std::string_view> expect_end() {
    do {
      if (!is_blank(window_.view()))
        throw DataError(fmt::format("{}: text behind the array of {} elements", file(), row_));
      window_.drop(window_.view().size());
    } while (window_.grow());
    return std::nullopt;
  }

  bool ended_ = false;
};

/// First byte that is not blank, at the start of the window afterwards; 0 when there is none.
char first_byte(ByteWindow& window) {
  for (;;) {
    const size_t at = window.view().find_first_not_of(kBlank);
    if (at != std::string_view::npos) {
      window.drop(at);
      return window.view()[0];
    }
    window.drop(window.view().size());
    if (!window.grow()) return 0;
  }
}

}  // namespace

std::unique_ptr<JsonItems> json_lines(ByteWindow window) { return std::make_unique<JsonLines>(std::move(window)); }

std::unique_ptr<JsonItems> json_elements(ByteWindow window) {
  const char first = first_byte(window);
  if (first == '[') {
    window.drop(1);
    return std::make_unique<JsonElements>(std::move(window));
  }
  if (window.view().empty()) return json_lines(std::move(window));  // an empty file: no record
  if (first != '{') throw DataError(fmt::format("{}: wanted a JSON array of objects", window.file()));
  const size_t second = window.view().find_first_not_of(" \t", 1);
  if (second != std::string_view::npos && (window.view()[second] == '\n' || window.view()[second] == '\r'))
    throw DataError(fmt::format("{}: one object over several lines, wanted an array of objects or one object a line",
                                window.file()));
  return json_lines(std::move(window));
}

}  // namespace ingot::data
