#include "train/data_place.h"

#include <vector>

#include "core/file.h"
#include "core/lease.h"

namespace ingot::train {
namespace fs = std::filesystem;
namespace {

bool is_ledger(const fs::path& file) { return file.string().ends_with(".ledger.json"); }

}  // namespace

DataPlace::DataPlace(const fs::path& output_dir, std::unique_ptr<const StagingFolder> staging)
    : found_(output_dir / "data"), staging_(std::move(staging)) {}

DataPlace DataPlace::direct(const fs::path& output_dir) { return {output_dir, nullptr}; }

DataPlace DataPlace::beside(const fs::path& output_dir) {
  return {output_dir, std::make_unique<const StagingFolder>(output_dir, "data")};
}

void DataPlace::keep() const {
  if (!staging_ || fs::is_empty(staging_->path())) return;
  check_leases(found_);
  make_folder(found_);
  const fs::directory_iterator files(staging_->path());
  const std::vector<fs::path> written(begin(files), end(files));
  for (const auto& file : written)
    if (is_ledger(file)) fs::remove(found_ / file.filename());  // no ledger stands beside files that are not its own
  for (const bool ledgers : {false, true})
    for (const auto& file : written)
      if (is_ledger(file) == ledgers) fs::rename(file, found_ / file.filename());
  sync_folder(found_);
}

}  // namespace ingot::train
