#pragma once

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "data/files/record_reader.h"
#include "data/tokenizer/tokenizer.h"
#include "temporary_folder.h"

namespace ingot::data {

/// A folder of its own for one test, with what is put into it.
class ScratchFolder : public TemporaryFolder {
 public:
  std::filesystem::path write(const std::string& name, std::string_view text) const {
    const std::filesystem::path file = *this / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }
  /// Names in the folder itself, hidden ones too, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path())) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }
};

/// One gzip member.
inline std::string gzipped(std::string_view text) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// One Zstandard frame.
inline std::string zstd_packed(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

inline std::vector<TextRecord> read_all(const std::filesystem::path& file, const std::string& column = "text") {
  const auto reader = open_text_reader(file, column);
  std::vector<TextRecord> all, batch;
  while (reader->next(batch)) all.insert(all.end(), batch.begin(), batch.end());
  return all;
}

/// The message of the error that `body` must throw.
template <class Expected, class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Expected& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "more than one line";
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

/// A byte is a token; 256 ends a document.
struct ByteTokenizer : Tokenizer {
  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> ids;
    for (const unsigned char byte : text) ids.push_back(byte);
    return ids;
  }
  std::vector<TokenId> encode_ordinary(std::string_view text) const override { return encode(text); }
  std::string decode(std::span<const TokenId> ids, bool) const override { return {ids.begin(), ids.end()}; }
  std::vector<TokenId> encode_with_special_tokens(std::string_view text) const override { return encode(text); }
  int64_t vocab_size() const override { return 257; }
  std::optional<TokenId> token_id(std::string_view) const override { return std::nullopt; }
  std::optional<TokenId> bos_id() const override { return std::nullopt; }
  std::optional<TokenId> eos_id() const override { return 256; }
};

}  // namespace ingot::data
