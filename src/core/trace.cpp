#include "core/trace.h"

#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <set>

#include "core/file.h"
#include "core/json.h"
#include "core/log.h"
#include "core/process_identity.h"

namespace ingot {
namespace {

/// What is known of the trace under way; lives as long as the process, as threads of others may record until its end.
struct TraceStore {
  std::atomic<bool> is_on = false;
  std::mutex mutex;
  std::deque<TraceEvent> events;
  int64_t most_events = 0, left_out = 0;
  std::map<std::string, int64_t> tracks;
  std::map<int64_t, std::string> track_names;
  int64_t num_tracks = 0;
  std::set<std::string> texts;

  int64_t new_track(const std::string& name) {
    track_names[++num_tracks] = name;
    return num_tracks;
  }
};

TraceStore& trace_store() {
  static auto* store = new TraceStore;
  return *store;
}

thread_local int64_t own_track = 0;

std::string thread_name() {
  std::array<char, 32> name{};
  return ::pthread_getname_np(::pthread_self(), name.data(), name.size()) == 0 && name[0] != 0 ? name.data() : "thread";
}

int64_t own_track_in(TraceStore& store) {
  if (own_track == 0) own_track = store.new_track(thread_name());
  return own_track;
}

std::string metadata(const char* name, int64_t rank, int64_t track, const std::string& value) {
  return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})", name, rank, track, json_text(Json(value)));
}

std::string text_of(const TraceEvent& event, int64_t rank) {
  std::string text = fmt::format(R"({{"ph":"X","cat":"{}","name":"{}","pid":{},"tid":{},"ts":{}.{:03},"dur":{}.{:03})", event.category, event.name, rank, event.track,
                                 event.begin / 1000, event.begin % 1000, (event.end - event.begin) / 1000, (event.end - event.begin) % 1000);
  if (event.facts[0].name) text += fmt::format(R"(,"args":{{"{}":{})", event.facts[0].name, event.facts[0].value);
  if (event.facts[1].name) text += fmt::format(R"(,"{}":{})", event.facts[1].name, event.facts[1].value);
  return text + (event.facts[0].name ? "}}" : "}");
}

/// Microseconds of the system's clock when the steady one stood at 0: by them traces of several machines are laid beside each other.
int64_t wall_time_at_zero() {
  const auto wall = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  return wall - trace_time() / 1000;
}

void write_trace(const TraceStore& store, const std::filesystem::path& path, int64_t rank) {
  make_folder(path.parent_path());
  AtomicFile file(path);
  const std::string host = this_process().host;
  const Json about{{"rank", rank}, {"host", host}, {"unix_us_at_zero", wall_time_at_zero()}, {"events_left_out", store.left_out}};
  file.write(fmt::format("{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[\n", json_text(about)));
  file.write(metadata("process_name", rank, 0, fmt::format("rank {} on {}", rank, host)));
  for (const auto& [track, name] : store.track_names) file.write(",\n" + metadata("thread_name", rank, track, name));
  for (const auto& event : store.events) file.write(",\n" + text_of(event, rank));
  file.write("\n]}\n");
  file.commit();
}

}  // namespace

bool is_traced() { return trace_store().is_on.load(std::memory_order_relaxed); }

int64_t trace_time() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

int64_t trace_track() {
  auto& store = trace_store();
  const std::lock_guard lock(store.mutex);
  return own_track_in(store);
}

int64_t trace_track(const std::string& name) {
  auto& store = trace_store();
  const std::lock_guard lock(store.mutex);
  int64_t& track = store.tracks[name];
  if (track == 0) track = store.new_track(name);
  return track;
}

void name_trace_thread(const std::string& name) { own_track = trace_track(name); }

const char* lasting(const std::string& text) {
  auto& store = trace_store();
  const std::lock_guard lock(store.mutex);
  return store.texts.insert(text).first->c_str();
}

void record(const TraceEvent& event) {
  auto& store = trace_store();
  const std::lock_guard lock(store.mutex);
  if (!store.is_on) return;
  if (static_cast<int64_t>(store.events.size()) < store.most_events) store.events.push_back(event);
  else ++store.left_out;
}

Span::Span(const char* category, const char* name, TraceFact first, TraceFact second)
    : event_{category, name, 0, 0, 0, {first, second}}, is_kept_(is_traced()) {
  if (is_kept_) event_.track = trace_track(), event_.begin = trace_time();
}

Span::~Span() {
  if (!is_kept_) return;
  event_.end = trace_time();
  record(event_);
}

Trace::Trace(std::filesystem::path file, int64_t rank, int64_t most_events) : file_(std::move(file)), rank_(rank) {
  name_trace_thread("main");
  trace_store().most_events = most_events;
  trace_store().is_on = true;
}

void Trace::write() const {
  const auto& store = trace_store();
  try {
    write_trace(store, file_, rank_);
    if (store.left_out > 0) log_warning(fmt::format("{}: {} events beyond the first {} are left out", file_.string(), store.left_out, store.most_events));
  } catch (const std::exception& error) {
    log_warning(fmt::format("{}: the profile is not written: {}", file_.string(), error.what()));
  }
}

Trace::~Trace() {
  auto& store = trace_store();
  const std::lock_guard lock(store.mutex);
  store.is_on = false;
  if (is_written_) write();
  store.events.clear(), store.left_out = 0;
}

}  // namespace ingot
