#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/process_identity.h"

namespace ingot {

/// What a lease file says, as JSON.
struct LeaseRecord {
  ProcessIdentity owner;
  std::string id;         // random: one lease differs from every other
  std::string heartbeat;  // the owner's time, "2026-01-31T10:50:20.123Z"; only whether it moves counts for others

  std::string holder() const;  // "process 12 on host name, last heartbeat at ..."
};

/// The text of a lease file.
std::string lease_text(const LeaseRecord& record);

/// Nothing when there is no such file. Throws DataError naming a file that is no lease, CommError when it cannot be read.
std::optional<LeaseRecord> read_lease(const std::filesystem::path& file);

/// A lease of this process: first a file beside its name, complete and durable, then under the name. The destructor removes
/// both.
class OwnLease {
 public:
  explicit OwnLease(const std::filesystem::path& file);
  ~OwnLease();
  OwnLease(const OwnLease&) = delete;
  OwnLease& operator=(const OwnLease&) = delete;
  const std::string& id() const { return id_; }
  /// True when the name was free and is now this lease's: of all who try at once one gets it, also over NFS.
  bool create();
  /// Takes the name from the lease there; false when that failed because another took it first.
  bool replace();
  /// Writes another heartbeat into this very file, whatever its name has come to mean.
  void beat() const;

 private:
  bool is_mine() const;
  bool create_in_place();
  std::filesystem::path file_, beside_;
  std::string id_, text_;
  int descriptor_ = -1;
};

/// Removes what killed processes left beside `file` while they took it.
void remove_lease_remains(const std::filesystem::path& file);

}  // namespace ingot
