#pragma once

#include <cstdint>
#include <filesystem>

#include "core/file.h"
#include "data/shards/file_digest.h"

namespace ingot::data {

/// Where a sample came from; 24 bytes in PREFIX.origins, little-endian, in the order of the samples.
struct SampleOrigin {
  uint32_t file = 0;  // number of the input in the ledger
  uint32_t item = 0;  // number of the sample among those of its record
  uint64_t row = 0;   // as JsonRow counts
  uint64_t cut = 0;   // tokens cut away
};
static_assert(sizeof(SampleOrigin) == 24);

/// PREFIX.origins.
std::filesystem::path origins_path(std::filesystem::path prefix);

/// Maps PREFIX.origins. Throws DataError when it does not hold `num_samples` entries.
class SampleOrigins {
 public:
  SampleOrigins(const std::filesystem::path& prefix, uint64_t num_samples);
  SampleOrigin at(uint64_t sample) const;

 private:
  MappedFile file_;
};

}  // namespace ingot::data
