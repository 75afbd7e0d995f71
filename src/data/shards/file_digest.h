#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/file.h"
#include "core/json.h"
#include "core/sha256.h"

namespace ingot::data {

/// Size and sha256 of a file that was written.
struct FileDigest {
  uint64_t bytes = 0;
  std::string sha256;
};

/// {"bytes", "sha256"}, as ledgers hold it.
Json digest_json(const FileDigest& digest);

/// True when the file is there with the size and sha256 of `digest`. Throws Error(kExitTerminated) when asked to stop
/// meanwhile, DataError or Json::exception when the digest is not one.
bool is_whole(const std::filesystem::path& file, const Json& digest);

/// An atomic file with the sha256 of what is written.
class HashedFile {
 public:
  explicit HashedFile(const std::filesystem::path& file) : file_(file) {}
  void write(const void* data, size_t size) {
    file_.write(data, size);
    hash_.add(data, size);
  }
  template <class Value>
  void write_value(Value value) {
    write(&value, sizeof(value));
  }
  FileDigest commit() {
    file_.commit();
    return {file_.size(), hash_.hex()};
  }

 private:
  AtomicFile file_;
  Sha256 hash_;
};

}  // namespace ingot::data
