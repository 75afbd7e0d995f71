#include "core/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/take_lease.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

/// All that this process holds.
struct Held {
  std::mutex mutex;
  std::vector<const Lease*> leases;
};

Held& held() {
  static Held all;
  return all;
}

fs::path whole(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)).lexically_normal(); }

}  // namespace

Lease::Lease(const LeaseTerms& terms) : Lease(terms, take_lease(terms)) {}

Lease::Lease(const LeaseTerms& terms, std::unique_ptr<OwnLease> own)
    : file_(terms.file), guarded_(whole(terms.guarded).string()), own_(std::move(own)),
      beats_([this, period = terms.beat] { keep_beating(period); }) {
  const std::lock_guard lock(held().mutex);
  held().leases.push_back(this);
}

Lease::~Lease() {
  {
    const std::lock_guard lock(held().mutex);
    std::erase(held().leases, this);
  }
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_all();
  beats_.join();
}

void Lease::keep_beating(std::chrono::milliseconds period) {
  std::unique_lock lock(mutex_);
  while (!ending_changed_.wait_for(lock, period, [this] { return ending_; })) own_->beat();
}

bool Lease::guards(const fs::path& whole_path) const { return whole_path.string().starts_with(guarded_); }

void Lease::check() const {
  std::string now = "it is gone";
  try {
    const auto found = read_lease(file_);
    if (found && found->id == own_->id()) return;
    if (found) now = "it is held by " + found->holder();
  } catch (const DataError& error) {
    now = error.what();
  }
  throw CommError(fmt::format("{}: this process has lost its lease: {}; nothing more is written", file_.string(), now));
}

void check_leases(const fs::path& written) {
  const std::lock_guard lock(held().mutex);
  if (held().leases.empty()) return;
  const fs::path path = whole(written);
  for (const auto* lease : held().leases)
    if (lease->guards(path)) lease->check();
}

}  // namespace ingot
