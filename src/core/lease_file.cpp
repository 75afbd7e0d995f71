#include "core/lease_file.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>

#include "core/error.h"
#include "core/failure.h"
#include "core/json.h"

namespace ingot {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongestLease = 4096;
constexpr size_t kBehindHeartbeat = sizeof("\"}\n") - 1;  // it is the last field

/// Always of the same length.
std::string heartbeat_now() {
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto seconds = std::chrono::time_point_cast<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)), (now - seconds).count() % 1000);
}

std::string new_id() {
  std::random_device random;
  return fmt::format("{:016x}", uint64_t{random()} << 32 | random());
}

LeaseRecord record_of(const std::string& text, const fs::path& file) try {
  const Json object = parse_json(text, file.string());
  LeaseRecord lease{{object.at("host"), object.at("machine"), object.at("boot"), object.at("namespaces"),
                     object.at("pid").get<int64_t>(), object.at("started").get<int64_t>()},
                    object.at("id"), object.at("heartbeat")};
  if (lease.owner.pid < 1 || lease.owner.pid > INT32_MAX) throw DataError("pid");
  return lease;
} catch (const std::exception&) {
  throw DataError(fmt::format("{}: is damaged: wanted a lease that names a process; when you know that nothing writes here, delete it",
                              file.string()));
}

/// A descriptor that closes.
struct Opened {
  Opened(const fs::path& file, int flags) : descriptor(::open(file.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644)) {}
  ~Opened() {
    if (descriptor >= 0) ::close(descriptor);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  int descriptor;
};

[[noreturn]] void refused(const fs::path& file, const char* what) {
  const int number = errno;
  throw_refused(number, fmt::format("{}: lease {}: {}", file.string(), what, std::strerror(number)));
}

void write_whole(int descriptor, const std::string& text, const fs::path& file) {
  if (::pwrite(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) || ::fsync(descriptor) != 0)
    refused(file, "cannot be written");
}

}  // namespace

std::string LeaseRecord::holder() const {
  return fmt::format("process {} on {}, last heartbeat at {} by its clock", owner.pid, owner.host, heartbeat);
}

std::string lease_text(const LeaseRecord& lease) {
  const auto& owner = lease.owner;
  const Json object{{"host", owner.host}, {"machine", owner.machine}, {"boot", owner.boot}, {"namespaces", owner.namespaces},
                    {"pid", owner.pid},   {"started", owner.started}, {"id", lease.id},     {"heartbeat", lease.heartbeat}};
  return json_text(object) + "\n";
}

std::optional<LeaseRecord> read_lease(const fs::path& file) {
  const Opened opened(file, O_RDONLY);
  if (opened.descriptor < 0 && (errno == ENOENT || errno == ESTALE)) return {};
  if (opened.descriptor < 0 && errno != ELOOP && errno != ENXIO) refused(file, "cannot be read");
  std::string text(kLongestLease, '\0');
  const ssize_t got = opened.descriptor < 0 ? 0 : ::pread(opened.descriptor, text.data(), text.size(), 0);
  if (got < 0 && errno == ESTALE) return {};
  if (got < 0 && errno != EISDIR && errno != ESPIPE) refused(file, "cannot be read");
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return record_of(text, file);
}

OwnLease::OwnLease(const fs::path& file) : file_(file), id_(new_id()) {
  beside_ = file.string() + ".new-" + id_;
  text_ = lease_text({this_process(), id_, heartbeat_now()});
  descriptor_ = ::open(beside_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) refused(file, "cannot be made");
  try {
    write_whole(descriptor_, text_, file);
  } catch (...) {
    ::unlink(beside_.c_str());
    ::close(descriptor_);
    throw;
  }
}

OwnLease::~OwnLease() {
  ::unlink(beside_.c_str());
  try {
    if (is_mine()) ::unlink(file_.c_str());
  } catch (const Error&) {
    // what is there now is another's
  }
  ::close(descriptor_);
}

bool OwnLease::is_mine() const {
  const auto found = read_lease(file_);
  return found && found->id == id_;
}

bool OwnLease::create() {
  if (::link(beside_.c_str(), file_.c_str()) == 0) return true;
  if (errno == EEXIST || errno == ENOENT) return is_mine();  // an answer of NFS may have been lost
  if (errno == EPERM || errno == ENOSYS || errno == EOPNOTSUPP || errno == EMLINK) return create_in_place();
  refused(file_, "cannot be made");
}

/// For a disk without second names. Who reads the file half written reads it again.
bool OwnLease::create_in_place() {
  const int made = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (made < 0 && errno == EEXIST) return false;
  if (made < 0) refused(file_, "cannot be made");
  ::close(descriptor_);
  descriptor_ = made;
  write_whole(descriptor_, text_, file_);
  return true;
}

bool OwnLease::replace() {
  if (::rename(beside_.c_str(), file_.c_str()) == 0) return true;
  if (errno == ENOENT) return is_mine();
  refused(file_, "cannot be taken over");
}

void OwnLease::beat() const {
  const std::string now = heartbeat_now();
  const auto place = static_cast<off_t>(text_.size() - now.size() - kBehindHeartbeat);
  if (::pwrite(descriptor_, now.data(), now.size(), place) > 0) ::fdatasync(descriptor_);
}

void remove_lease_remains(const fs::path& file) {
  std::error_code error;
  const std::string name = file.filename().string();
  for (const auto& entry : fs::directory_iterator(file.parent_path(), error))
    if (const std::string found = entry.path().filename().string(); found.starts_with(name + ".new-") || found.starts_with(name + ".takeover"))
      fs::remove(entry.path(), error);
}

}  // namespace ingot
