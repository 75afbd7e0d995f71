#include "core/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "core/json.h"
#include "temporary_folder.h"

namespace ingot {
namespace {

/// Events of a file, of that phase ("X": complete ones).
std::vector<Json> events_of(const std::filesystem::path& file, const std::string& phase) {
  std::vector<Json> found;
  const Json content = read_json(file);
  for (const auto& event : content["traceEvents"])
    if (event["ph"] == phase) found.push_back(event);
  return found;
}

TEST(Trace, KeepsWhatHappensWhileItLives) {
  const TemporaryFolder folder;
  const auto file = folder / "profile/rank_3.json";
  { const Span before("compute", "before"); }
  {
    Trace trace(file, 3);
    trace.write_at_end();
    {
      const Span outer("compute", "outer", {"micro_batch", 7}, {"chunk", 1});
      const Span inner("communication", lasting(std::string("in") + "ner"));
    }
    std::thread([] { name_trace_thread("another \"thread\""), Span("data", "read"); }).join();
    record({"communication", "all-reduce", trace_track("buckets"), trace_time() - 2'001'500, trace_time(), {{"bytes", 12}}});
  }
  { const Span after("compute", "after"); }

  const auto events = events_of(file, "X");
  ASSERT_EQ(events.size(), 4u);
  const auto &inner = events[0], &outer = events[1];
  EXPECT_EQ(inner["name"], "inner");
  EXPECT_EQ(outer["args"], Json({{"micro_batch", 7}, {"chunk", 1}}));
  EXPECT_EQ(outer["pid"], 3);
  EXPECT_EQ(outer["tid"], inner["tid"]);
  EXPECT_LE(outer["ts"].get<double>(), inner["ts"].get<double>());
  EXPECT_GE(outer["ts"].get<double>() + outer["dur"].get<double>(), inner["ts"].get<double>() + inner["dur"].get<double>());
  EXPECT_NE(events[2]["tid"], outer["tid"]);
  EXPECT_NEAR(events[3]["dur"].get<double>(), 2001.5, 100);

  std::vector<std::string> tracks;
  for (const auto& event : events_of(file, "M")) tracks.push_back(event["args"]["name"]);
  EXPECT_TRUE(tracks.at(0).starts_with("rank 3 on "));
  for (const char* name : {"main", "another \"thread\"", "buckets"}) EXPECT_EQ(std::count(tracks.begin(), tracks.end(), name), 1) << name;
}

TEST(Trace, CountsWhatItLeavesOut) {
  const TemporaryFolder folder;
  {
    Trace trace(folder / "rank_0.json", 0, 5);
    trace.write_at_end();
    for (int i = 0; i < 8; ++i) Span("compute", "forward");
  }
  EXPECT_EQ(events_of(folder / "rank_0.json", "X").size(), 5u);
  EXPECT_EQ(read_json(folder / "rank_0.json")["otherData"]["events_left_out"], 3);
}

TEST(Trace, WritesNothingUnlessTold) {
  const TemporaryFolder folder;
  { Trace trace(folder / "rank_0.json", 0); }
  EXPECT_FALSE(std::filesystem::exists(folder / "rank_0.json"));
  EXPECT_FALSE(is_traced());
}

}  // namespace
}  // namespace ingot
