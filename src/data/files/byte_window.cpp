#include "data/files/byte_window.h"

#include <algorithm>
#include <cstring>

#include "data/files/unicode_source.h"

namespace ingot::data {
namespace {
constexpr size_t kFirstCapacity = size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
}  // namespace

ByteWindow::ByteWindow(std::unique_ptr<ByteSource> source, std::string file, From from)
    : source_(from == From::kStart ? as_utf8(std::move(source)) : std::move(source)), file_(std::move(file)),
      buffer_(kFirstCapacity + kPadding) {
  if (from == From::kInside) return;
  while (view().size() < kByteOrderMark.size() && grow()) {
  }
  if (view().starts_with(kByteOrderMark)) drop(kByteOrderMark.size());
}

bool ByteWindow::grow() {
  if (full()) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + kPadding == buffer_.size())
    buffer_.resize(std::min(2 * end_, kMaxRecordBytes + kFirstCapacity) + kPadding);
  const size_t got = source_->read(buffer_.data() + end_, buffer_.size() - kPadding - end_);
  end_ += got;
  return got > 0;
}

}  // namespace ingot::data
