#include "data/files/line_source.h"

#include <algorithm>
#include <cstring>

#include "core/file.h"

namespace ingot::data {
namespace {

class LineSource : public ByteSource {
 public:
  explicit LineSource(const FilePart& part) : file_(part.file) {
    begin_ = at_ = line_start(text(), part.begin);
    end_ = part.end == FilePart::kToTheEnd ? text().size() : std::max(begin_, line_start(text(), part.end));
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

}  // namespace

uint64_t line_start(std::string_view bytes, uint64_t at) {
  if (at == 0 || at >= bytes.size()) return std::min<uint64_t>(at, bytes.size());
  const size_t end = bytes.find_first_of("\r\n", at - 1);  // of the line before
  if (end == bytes.npos) return bytes.size();
  return end + (bytes.substr(end, 2) == "\r\n" ? 2 : 1);
}

std::unique_ptr<ByteSource> open_lines(const FilePart& part) { return std::make_unique<LineSource>(part); }

ByteWindow open_line_window(const FilePart& part) {
  return {open_lines(part), part.file.string(), part.begin == 0 ? ByteWindow::From::kStart : ByteWindow::From::kInside};
}

}  // namespace ingot::data
