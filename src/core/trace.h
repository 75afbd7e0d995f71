#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

namespace ingot {

/// A number of an event: "micro_batch" 3. The name is a literal; without one there is no number.
struct TraceFact {
  const char* name = nullptr;
  int64_t value = 0;
};

/// A span of time on a track of this process, as Chrome's Trace Event Format has it (a complete event).
struct TraceEvent {
  const char* category;  // a literal, or from lasting()
  const char* name;      // the same
  int64_t track;         // from trace_track()
  int64_t begin, end;    // trace_time()
  TraceFact facts[2] = {};
};

/// Whether a Trace lives. Where none does, all of this costs no more than the question.
bool is_traced();
/// Nanoseconds of the steady clock, which is one for all processes of a machine.
int64_t trace_time();
/// The track of this thread, and the one of a name.
int64_t trace_track();
int64_t trace_track(const std::string& name);
/// From now on this thread's events are on the track of that name, as are those of the thread that had it before.
void name_trace_thread(const std::string& name);
/// The same text for the rest of the process.
const char* lasting(const std::string& text);
/// Keeps an event, if a Trace lives.
void record(const TraceEvent& event);

/// An event from here to the end of its scope, on this thread's track.
class Span {
 public:
  Span(const char* category, const char* name, TraceFact first = {}, TraceFact second = {});
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;

 private:
  TraceEvent event_;
  const bool is_kept_;
};

constexpr int64_t kMostTraceEvents = 1'000'000;  // about 90 MB

/// While one lives events are kept; its end writes them, if write_at_end() was called: one object, {"traceEvents": [...]}, for chrome://tracing and Perfetto. Those beyond
/// `most_events` are left out and counted, with a warning; so is a file that cannot be written. One at a time.
class Trace {
 public:
  Trace(std::filesystem::path file, int64_t rank, int64_t most_events = kMostTraceEvents);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  void write_at_end() { is_written_ = true; }  // the folder is known to be ours; from any thread

 private:
  void write() const;
  const std::filesystem::path file_;
  const int64_t rank_;
  std::atomic<bool> is_written_ = false;
};

}  // namespace ingot
