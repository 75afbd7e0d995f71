#include "hub/source_digests.h"

#include <fmt/format.h>

#include "core/content_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace ingot::hub {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDigestsFile = "digests.json";

/// Path in the folder to digest, of every file but hidden ones and the digests themselves.
Json digests_of(const fs::path& folder) {
  Json digests = Json::object();
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_regular_file() && !name.starts_with('.') && name != kDigestsFile) digests[name] = content_digest(MappedFile(entry.path()));
  }
  return digests;
}

/// `list` is the file that `wanted` is from: the damage may be there.
void check(const fs::path& folder, const Json& wanted, const fs::path& list) {
  for (const auto& [name, digest] : wanted.items()) {
    const fs::path file = folder / name;
    if (!fs::is_regular_file(file)) throw DataError(fmt::format("{}: is not there, though {} lists it", file.string(), list.string()));
    if (const auto found = content_digest(MappedFile(file)); Json(found) != digest)
      throw DataError(fmt::format("{}: is not as the run wrote it: found the digest {}, wanted {} by {}", file.string(), found, digest.dump(), list.string()));
  }
}

}  // namespace

void write_source_digests(const fs::path& layout, const fs::path& source) {
  const Json digests{{"source", digests_of(source)}, {"source_layout", digests_of(layout)}};
  write_file(layout / kDigestsFile, digests.dump(1) + "\n");
}

void check_source_digests(const RunFolder& run) {
  const fs::path file = run.layout() / kDigestsFile;
  const Json digests = read_json(file);
  for (const auto& [key, folder] : {std::pair{"source", run.source()}, std::pair{"source_layout", run.layout()}}) {
    if (!digests.is_object() || !digests.contains(key) || !digests[key].is_object())
      throw DataError(fmt::format("{}: {}: is no list of digests", file.string(), key));
    check(folder, digests[key], file);
  }
}

}  // namespace ingot::hub
