#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "core/file.h"

namespace ingot {

/// XXH3 of bytes, 64 bits: fast, and no protection against one who means harm.
class ContentDigest {
 public:
  ContentDigest();
  ~ContentDigest();
  ContentDigest& add(std::span<const std::byte> bytes);
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The digest of a file's bytes. From 1 GiB on, of the first, middle and last 64 MiB.
std::string content_digest(const MappedFile& file);

}  // namespace ingot
