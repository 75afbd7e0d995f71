#include "data/sft/sample_origins.h"

#include <fmt/format.h>

#include <cstring>

#include "core/error.h"

namespace ingot::data {

std::filesystem::path origins_path(std::filesystem::path prefix) { return prefix += ".origins"; }

SampleOrigins::SampleOrigins(const std::filesystem::path& prefix, uint64_t num_samples) : file_(origins_path(prefix)) {
  const uint64_t size = file_.bytes().size();
  if (size / sizeof(SampleOrigin) != num_samples || size % sizeof(SampleOrigin) != 0)
    throw DataError(fmt::format("{}: size is {}, wanted 24 bytes for each of {} samples", file_.path().string(), size,
                                num_samples));
}

SampleOrigin SampleOrigins::at(uint64_t sample) const {
  SampleOrigin origin;
  if ((sample + 1) * sizeof(origin) > file_.bytes().size())
    throw DataError(fmt::format("{}: sample {} asked for", file_.path().string(), sample));
  std::memcpy(&origin, file_.bytes().data() + sample * sizeof(origin), sizeof(origin));
  return origin;
}

}  // namespace ingot::data
