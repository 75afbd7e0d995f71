#include "data/files/byte_source.h"

#include <bzlib.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/failure.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr size_t kInputBuffer = size_t{256} << 10;

class PlainSource : public ByteSource {
 public:
  explicit PlainSource(const fs::path& file)
      : file_(file), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) refuse(errno);
    struct stat info {};
    if (::fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode)) return;
    ::close(descriptor_);
    throw DataError(fmt::format("{}: not a regular file", file.string()));
  }
  ~PlainSource() override { ::close(descriptor_); }

  size_t read(char* to, size_t size) override {
    ssize_t got = 0;
    do got = ::read(descriptor_, to, size);
    while (got < 0 && errno == EINTR);
    if (got < 0) refuse(errno);
    bytes_read_ += static_cast<uint64_t>(got);
    return static_cast<size_t>(got);
  }
  uint64_t bytes_read() const override { return bytes_read_; }

 private:
  [[noreturn]] void refuse(int number) const {
    const std::string message = fmt::format("{}: cannot be read: {}", file_.string(), std::strerror(number));
    if (number == ENOENT) throw DataError(message);
    throw_refused(number, message);
  }

  fs::path file_;
  int descriptor_;
  uint64_t bytes_read_ = 0;
};

/// Keeps a buffer of compressed bytes for a decoder.
class CompressedSource : public ByteSource {
 public:
  explicit CompressedSource(const fs::path& file) : name_(file.string()), source_(file), input_(kInputBuffer) {}
  uint64_t bytes_read() const override { return source_.bytes_read(); }

 protected:
  size_t refill() { return source_.read(input_.data(), input_.size()); }
  [[noreturn]] void fail(const std::string& what) const { throw DataError(fmt::format("{}: {}", name_, what)); }
  std::string name_;
  PlainSource source_;
  std::vector<char> input_;
};

class GzipSource : public CompressedSource {
 public:
  explicit GzipSource(const fs::path& file) : CompressedSource(file) {
    if (::inflateInit2(&stream_, MAX_WBITS + 16) != Z_OK) fail("gzip decoder cannot start");  // + 16: gzip header only
  }
  ~GzipSource() override { ::inflateEnd(&stream_); }

  size_t read(char* to, size_t size) override {
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(std::min(size, size_t{1} << 30));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !fill()) break;
      if (!in_member_ && !start_member()) continue;
      const int state = ::inflate(&stream_, Z_NO_FLUSH);
      if (state == Z_STREAM_END) in_member_ = false;
      else if (state != Z_OK && state != Z_BUF_ERROR)
        fail(fmt::format("gzip stream is damaged near byte {}: {}", bytes_read(),
                         stream_.msg ? stream_.msg : "bad data"));
    }
    return wanted - stream_.avail_out;
  }

 private:
  bool fill() {
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(refill());
    if (stream_.avail_in == 0 && (in_member_ || members_ == 0)) fail("gzip stream ends early");
    return stream_.avail_in > 0;
  }
  /// Zero bytes between members and behind the last are padding, as gzip(1) takes them. False when only such were left.
  bool start_member() {
    while (members_ > 0 && stream_.avail_in > 0 && *stream_.next_in == 0) ++stream_.next_in, --stream_.avail_in;
    if (stream_.avail_in == 0) return false;
    ::inflateReset(&stream_);
    in_member_ = true;
    ++members_;
    return true;
  }

  z_stream stream_{};
  bool in_member_ = false;
  uint64_t members_ = 0;
};

class ZstdSource : public CompressedSource {
 public:
  explicit ZstdSource(const fs::path& file) : CompressedSource(file), stream_(ZSTD_createDStream()) {
    if (!stream_) fail("Zstandard decoder cannot start");
  }
  ~ZstdSource() override { ::ZSTD_freeDStream(stream_); }

  size_t read(char* to, size_t size) override {
    ZSTD_outBuffer out{to, size, 0};
    while (out.pos == 0) {
      if (pending_.pos == pending_.size) {
        pending_ = {input_.data(), refill(), 0};
        if (pending_.size == 0) {
          if (wanted_ != 0) fail("Zstandard stream ends early");
          break;
        }
      }
      wanted_ = ::ZSTD_decompressStream(stream_, &out, &pending_);
      if (::ZSTD_getErrorCode(wanted_) == ZSTD_error_frameParameter_windowTooLarge)
        fail("wants a window of more than 128 MiB, as zstd --long=28 and above make it; pack it again without");
      if (::ZSTD_isError(wanted_))
        fail(fmt::format("Zstandard stream is damaged near byte {}: {}", bytes_read(), ::ZSTD_getErrorName(wanted_)));
    }
    return out.pos;
  }

 private:
  ZSTD_DStream* stream_;
  ZSTD_inBuffer pending_{nullptr, 0, 0};
  size_t wanted_ = 1;  // 0 at the end of a frame
};

class Bzip2Source : public CompressedSource {
 public:
  using CompressedSource::CompressedSource;
  ~Bzip2Source() override {
    if (in_stream_) ::BZ2_bzDecompressEnd(&stream_);
  }

  size_t read(char* to, size_t size) override {
    stream_.next_out = to;
    stream_.avail_out = static_cast<unsigned>(std::min(size, size_t{1} << 30));
    const unsigned wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !fill()) break;
      if (!in_stream_) start();
      const int state = ::BZ2_bzDecompress(&stream_);
      if (state == BZ_STREAM_END) {
        ::BZ2_bzDecompressEnd(&stream_);
        in_stream_ = false;
      } else if (state != BZ_OK) {
        fail(fmt::format("bzip2 stream is damaged near byte {}", bytes_read()));
      }
    }
    return wanted - stream_.avail_out;
  }

 private:
  bool fill() {
    stream_.next_in = input_.data();
    stream_.avail_in = static_cast<unsigned>(refill());
    if (stream_.avail_in == 0 && (in_stream_ || !started_)) fail("bzip2 stream ends early");
    return stream_.avail_in > 0;
  }
  void start() {
    if (::BZ2_bzDecompressInit(&stream_, 0, 0) != BZ_OK) fail("bzip2 decoder cannot start");
    in_stream_ = started_ = true;
  }

  bz_stream stream_{};
  bool in_stream_ = false, started_ = false;
};

class XzSource : public CompressedSource {
 public:
  explicit XzSource(const fs::path& file) : CompressedSource(file) {
    if (::lzma_stream_decoder(&stream_, kDecoderMemory, LZMA_CONCATENATED) != LZMA_OK) fail("xz decoder cannot start");
  }
  ~XzSource() override { ::lzma_end(&stream_); }

  size_t read(char* to, size_t size) override {
    stream_.next_out = reinterpret_cast<uint8_t*>(to);
    stream_.avail_out = size;
    while (stream_.avail_out == size && !ended_) {
      if (stream_.avail_in == 0) {
        stream_.next_in = reinterpret_cast<const uint8_t*>(input_.data());
        stream_.avail_in = refill();
      }
      const auto state = ::lzma_code(&stream_, stream_.avail_in == 0 ? LZMA_FINISH : LZMA_RUN);
      ended_ = state == LZMA_STREAM_END;
      if (state == LZMA_BUF_ERROR) fail("xz stream ends early");
      if (state == LZMA_MEMLIMIT_ERROR) fail(fmt::format("xz stream needs more than {} MiB of memory", kDecoderMemory >> 20));
      if (!ended_ && state != LZMA_OK) fail(fmt::format("xz stream is damaged near byte {}", bytes_read()));
    }
    return size - stream_.avail_out;
  }

 private:
  static constexpr uint64_t kDecoderMemory = uint64_t{256} << 20;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool ended_ = false;
};

class Lz4Source : public CompressedSource {
 public:
  explicit Lz4Source(const fs::path& file) : CompressedSource(file) {
    if (::LZ4F_isError(::LZ4F_createDecompressionContext(&context_, LZ4F_VERSION))) fail("LZ4 decoder cannot start");
  }
  ~Lz4Source() override { ::LZ4F_freeDecompressionContext(context_); }

  size_t read(char* to, size_t size) override {
    for (;;) {
      if (begin_ == end_) {
        begin_ = 0, end_ = refill();
        if (end_ == 0) {
          if (wanted_ != 0) fail("LZ4 stream ends early");
          return 0;
        }
      }
      size_t made = size, taken = end_ - begin_;
      wanted_ = ::LZ4F_decompress(context_, to, &made, input_.data() + begin_, &taken, nullptr);
      if (::LZ4F_isError(wanted_)) fail(fmt::format("LZ4 stream is damaged near byte {}: {}", bytes_read(), ::LZ4F_getErrorName(wanted_)));
      begin_ += taken;
      if (made > 0) return made;
    }
  }

 private:
  LZ4F_dctx* context_ = nullptr;
  size_t begin_ = 0, end_ = 0;  // of the compressed bytes in input_
  size_t wanted_ = 1;           // 0 at the end of a frame
};

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(const fs::path& file, Compression compression) {
  switch (compression) {
    case Compression::kGzip: return std::make_unique<GzipSource>(file);
    case Compression::kZstd: return std::make_unique<ZstdSource>(file);
    case Compression::kBzip2: return std::make_unique<Bzip2Source>(file);
    case Compression::kXz: return std::make_unique<XzSource>(file);
    case Compression::kLz4: return std::make_unique<Lz4Source>(file);
    case Compression::kNone: break;
  }
  return std::make_unique<PlainSource>(file);
}

}  // namespace ingot::data
