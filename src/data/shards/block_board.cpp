#include "data/shards/block_board.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "core/content_digest.h"
#include "core/error.h"
#include "core/file.h"
#include "core/log.h"
#include "core/stop.h"

namespace ingot::data {
namespace fs = std::filesystem;
namespace {

constexpr int kPieceVersion = 1;  // of the pieces, and of all that decides their bytes
constexpr auto kPoll = std::chrono::milliseconds(20), kLookPeriod = std::chrono::milliseconds(200);
constexpr int kLookShare = 20;  // a look takes a 20th of the time at most
constexpr const char* kEnding = ".piece";

std::string digest_of(const std::string& text) { return ContentDigest().add(std::as_bytes(std::span(text))).hex(); }

/// The block that a piece is of; nothing for other names.
std::optional<size_t> block_of(const fs::path& file) {
  const std::string stem = file.stem().string();
  size_t block = 0;
  const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), block);
  const bool is_piece = file.extension() == kEnding && error == std::errc() && end == stem.data() + stem.size();
  return is_piece ? std::optional(block) : std::nullopt;
}

fs::path beside(const fs::path& prefix, const char* ending) { return prefix.parent_path() / ("." + prefix.filename().string() + ending); }

/// As it comes out of a file again: names of files that are no UTF-8 do not come out as they went in.
Json as_read(const Json& value) { return Json::parse(json_text(value)); }

bool is_announced(const BlockWork& work) try {
  Json found = read_json(work.folder() / "work.json");
  if (found.is_object()) found.erase("lease");
  return found == work.announcement();
} catch (const DataError&) {  // absent, or damaged: it is written anew
  return false;
}

}  // namespace

fs::path output_lease(const fs::path& prefix) { return beside(prefix, ".lease"); }

fs::path BlockWork::folder() const { return beside(prefix, ".pieces"); }

Json BlockWork::announcement() const {
  Json cuts = Json::array();
  for (const auto& block : blocks)
    for (const auto& part : block.parts) cuts.push_back({&block - blocks.data(), part.file, part.cut.begin, part.cut.end});
  return as_read({{"version", kPieceVersion}, {"work", work}, {"blocks", blocks.size()}, {"cuts", digest_of(cuts.dump())}});
}

BlockBoard::BlockBoard(BlockWork work, JobRank rank, const Lease* output)
    : work_(std::move(work)), rank_(rank), made_(work_.blocks.size()), told_(work_.blocks.size()) {
  Json announcement = work_.announcement();
  digest_ = digest_of(announcement.dump());
  if (leads() && !(keeps_pieces() && is_announced(work_))) remove();
  if (!keeps_pieces()) return;
  if (leads()) {
    make_folder(work_.folder() / "leases");
    announcement["lease"] = output->id();
    write_file(work_.folder() / "work.json", json_text(announcement) + "\n");
  }
  list();
  told_ = made_;
  num_found_ = static_cast<size_t>(std::count(made_.begin(), made_.end(), true));
}

BlockBoard::~BlockBoard() {
  held_.clear();
  if (!leads() || !keeps_pieces()) return;
  list();
  if (std::none_of(made_.begin(), made_.end(), [](bool made) { return made; })) remove();
}

fs::path BlockBoard::piece(size_t block) const { return work_.folder() / fmt::format("{:06}{}", block, kEnding); }

std::string BlockBoard::heading(size_t block) const { return fmt::format("ingot piece, work {}, block {}", digest_, block); }

/// Sees which pieces are there. Opening the folder makes a network's disk look again, too.
void BlockBoard::list() {
  std::vector<bool> found(work_.blocks.size());
  std::error_code error;
  fs::directory_iterator entry(work_.folder(), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    if (const auto block = block_of(entry->path()); block && *block < found.size()) found[*block] = true;
  const std::lock_guard lock(mutex_);
  is_gone_ = !is_there();
  for (size_t block = 0; block < found.size(); ++block)  // one that was made meanwhile
    if (made_[block] && !found[block]) found[block] = fs::exists(piece(block), error);
  made_ = std::move(found);
}

/// Other ranks work for the rank 0 that they have met, and no longer than it.
bool BlockBoard::is_there() const {
  std::error_code error;
  if (!fs::exists(work_.folder() / "work.json", error)) return false;
  if (leads()) return true;
  const auto lease = read_lease(output_lease(work_.prefix));
  return lease && lease->id == work_.lease && liveness_of(lease->owner) != Liveness::kDead;
}

bool BlockBoard::is_gone() {
  const std::lock_guard lock(mutex_);
  return is_gone_ || (keeps_pieces() && !is_there());
}

void BlockBoard::look() {
  const auto begin = Clock::now();
  if (!keeps_pieces() || begin < next_look_) return;
  list();
  const auto now = Clock::now();
  next_look_ = now + std::max<Clock::duration>(kLookPeriod, kLookShare * (now - begin));
  for (size_t block = 0; block < made_.size(); ++block)
    if (is_made(block)) note_made(block);
}

void BlockBoard::note_made(size_t block) {
  {
    const std::lock_guard lock(mutex_);
    made_[block] = true;
    if (told_[block]) return;
    told_[block] = true;
  }
  if (on_made) on_made(work_.blocks[block].bytes());
}

bool BlockBoard::is_made(size_t block) {
  const std::lock_guard lock(mutex_);
  return made_[block];
}

bool BlockBoard::is_complete() {
  const std::lock_guard lock(mutex_);
  if (has_given_up_) return true;
  if (is_gone_ && leads())
    throw CommError(fmt::format("{}: is gone: it was removed while this process worked with it", work_.folder().string()));
  return is_gone_ || std::all_of(made_.begin(), made_.end(), [](bool made) { return made; });
}

bool BlockBoard::may_hold_more(uint64_t read_ahead) {
  const std::lock_guard lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& [block, lease] : held_) bytes += work_.blocks[block].bytes();
  return held_.size() < 2 || bytes < read_ahead;
}

void BlockBoard::check_stop() const {
  end_if_stopped(keeps_pieces() ? "preparing data; the blocks that are made are kept" : "preparing data; nothing is kept");
}

std::optional<size_t> BlockBoard::claim(uint64_t read_ahead) {
  for (;;) {
    check_stop();
    look();
    if (is_complete()) return {};
    if (may_hold_more(read_ahead))
      if (const auto block = try_claim()) return block;
    std::unique_lock lock(mutex_);
    kept_.wait_for(lock, kPoll);
  }
}

/// Ranks meet at the end alone: each has its own blocks, in order, and then takes of the others' from the other end.
std::optional<size_t> BlockBoard::try_claim() {
  const size_t count = work_.blocks.size();
  for (const bool own : {true, false})
    for (size_t i = 0; i < count; ++i) {
      const size_t block = own ? i : count - 1 - i;
      if ((static_cast<int64_t>(block) % rank_.size == rank_.rank) == own && take(block)) return block;
    }
  return {};
}

bool BlockBoard::take(size_t block) {
  {
    const std::lock_guard lock(mutex_);
    if (made_[block] || held_.contains(block)) return false;
  }
  std::unique_ptr<const Lease> lease;
  if (keeps_pieces() && rank_.size > 1) {
    const fs::path file = work_.folder() / "leases" / fmt::format("{:06}.lease", block);
    auto& trial = trials_.try_emplace(block, LeaseTerms{.file = file, .guarded = piece(block)}).first->second;
    auto own = attempt(trial);
    if (!own) return false;
    lease = std::make_unique<const Lease>(trial.terms(), std::move(own));
    trials_.erase(block);
    if (fs::exists(piece(block))) {  // made between the look and now
      note_made(block);
      return false;
    }
  }
  const std::lock_guard lock(mutex_);
  held_[block] = std::move(lease);
  ++num_claimed_;
  return true;
}

/// The folder may go while a rank that is late looks at it.
std::unique_ptr<OwnLease> BlockBoard::attempt(LeaseTrial& trial) try {
  return trial.attempt();
} catch (const Error&) {
  if (is_there()) throw;
  const std::lock_guard lock(mutex_);
  is_gone_ = true;
  return nullptr;
}

void BlockBoard::give_up() {
  const std::lock_guard lock(mutex_);
  has_given_up_ = true;
  kept_.notify_all();
}

std::unique_ptr<PieceWriter> BlockBoard::new_piece(size_t block) const {
  return keeps_pieces() ? std::make_unique<PieceWriter>(piece(block), heading(block)) : nullptr;
}

void BlockBoard::keep(size_t block) {
  std::unique_ptr<const Lease> lease;
  {
    const std::lock_guard lock(mutex_);
    made_[block] = told_[block] = true;
    lease = std::move(held_.at(block));
    held_.erase(block);
  }
  kept_.notify_all();
}

std::unique_ptr<PieceReader> BlockBoard::open(size_t block) try {
  return std::make_unique<PieceReader>(piece(block), heading(block));
} catch (const DataError& error) {
  log_warning(fmt::format("{}; block {} of {} is made again", error.what(), block + 1, work_.blocks.size()));
  fs::remove(piece(block));
  const std::lock_guard lock(mutex_);
  made_[block] = false;
  return nullptr;
}

void BlockBoard::remove() {
  remove_all_of(work_.prefix);
  made_.assign(made_.size(), false);
}

/// Without its work.json the folder is of no use to who finds it half removed.
void BlockBoard::remove_all_of(const fs::path& prefix) {
  const fs::path folder = beside(prefix, ".pieces");
  std::error_code error;
  fs::remove(folder / "work.json", error);
  fs::remove_all(folder, error);
}

}  // namespace ingot::data
