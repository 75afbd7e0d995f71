#include "data/files/line_source.h"

#include <algorithm>
#include <cstring>

#include "core/file.h"

namespace ingot::data {
namespace {

class LineSource : public ByteSource {
 public:
  explicit LineSource(const FilePart& part) : file_(part.file) {
    // Behind its end it does not look for a line to begin with: parts within a long line would each read the rest of it.
    begin_ = at_ = line_start(text().substr(0, part.end), part.begin);
    const bool is_last = part.end == FilePart::kToTheEnd, is_empty = begin_ >= part.end;
    end_ = is_last ? text().size() : is_empty ? begin_ : line_start(text(), part.end);
  }

  size_t read(char* to, size_t size) override {
    const size_t count = std::min<uint64_t>(size, end_ - at_);
    std::memcpy(to, text().data() + at_, count);
    file_.release(at_, count);
    at_ += count;
    return count;
  }
  uint64_t bytes_read() const override { return at_ - begin_; }

 private:
  std::string_view text() const { return {reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()}; }

  MappedFile file_;
  uint64_t begin_ = 0, end_ = 0, at_ = 0;
};

constexpr size_t kStretch = size_t{1} << 16;  // of which one end is looked for, then the other one before it

/// The first line end of either kind from `at` on; npos where there is none.
size_t find_line_end(std::string_view bytes, size_t at) {
  for (; at < bytes.size(); at += kStretch) {
    const auto stretch = bytes.substr(at, kStretch);
    const size_t newline = stretch.find('\n'), found = std::min(newline, stretch.substr(0, newline).find('\r'));
    if (found != stretch.npos) return at + found;
  }
  return bytes.npos;
}

}  // namespace

uint64_t line_start(std::string_view bytes, uint64_t at) {
  if (at == 0 || at >= bytes.size()) return std::min<uint64_t>(at, bytes.size());
  const size_t end = find_line_end(bytes, at - 1);  // of the line before
  if (end == bytes.npos) return bytes.size();
  return end + (bytes.substr(end, 2) == "\r\n" ? 2 : 1);
}

std::unique_ptr<ByteSource> open_lines(const FilePart& part) { return std::make_unique<LineSource>(part); }

ByteWindow open_line_window(const FilePart& part) {
  return {open_lines(part), part.file.string(), part.begin == 0 ? ByteWindow::From::kStart : ByteWindow::From::kInside};
}

}  // namespace ingot::data
