#include "train/plan/pipeline_clock.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

#include "parallel/pipeline.h"

namespace ingot::train {
namespace {

constexpr int64_t kMostGroups = 4;  // of micro-batches, as many as ranks, that are run; by then each takes as long as the one before
constexpr double kNotSent = -1;

double speed_of(double computing, double at_once) { return at_once <= 0 || computing <= at_once ? 1 : at_once / computing; }

/// Events of one step. Ranks that share devices are served evenly: `served_` is what each of them has had since the start, so that the order
/// in which passes end is that of the sums where they do, whoever begins or ends between.
class PipelineRun {
 public:
  explicit PipelineRun(const PipelineLoad& load) : load_(load), ranks_(static_cast<size_t>(load.ranks)) {
    for (auto* messages : {&forward_, &backward_})
      messages->assign(static_cast<size_t>(load.ranks * load.chunks * load.micro_batches), kNotSent);
    for (int64_t rank = 0; rank < load.ranks; ++rank)
      ranks_[static_cast<size_t>(rank)].tasks = parallel::pipeline_tasks({load.ranks, load.chunks, rank}, load.micro_batches);
  }

  std::vector<RankClock> run() {
    for (int64_t rank = 0; rank < load_.ranks; ++rank) take_up(rank);
    while (!ends_.empty() || !arrivals_.empty()) next_event();
    std::vector<RankClock> clocks;
    for (const auto& rank : ranks_) {
      const double alone = rank.work.total();
      clocks.push_back({rank.work.times(alone > 0 ? rank.busy / alone : 0), now_ - rank.busy});
    }
    return clocks;
  }

 private:
  using Pass = parallel::PipelineTask::Pass;
  using Event = std::pair<double, int64_t>;  // when, rank
  using Queue = std::priority_queue<Event, std::vector<Event>, std::greater<>>;
  struct Rank {
    std::vector<parallel::PipelineTask> tasks;
    size_t next = 0;
    double began = 0, busy = 0, link_is_free = 0;
    bool is_listening = false;  // for a message that is not sent yet
    Spent work;
  };

  int64_t stage_of(int64_t rank, const parallel::PipelineTask& task) const { return task.chunk * load_.ranks + rank; }
  size_t place(int64_t stage, int64_t micro_batch) const { return static_cast<size_t>(stage * load_.micro_batches + micro_batch); }

  /// When the message that a task needs is there; null for one that needs none.
  double* message_for(int64_t rank, const parallel::PipelineTask& task) {
    const int64_t stage = stage_of(rank, task);
    if (stage == (task.pass == Pass::kForward ? 0 : load_.ranks * load_.chunks - 1)) return nullptr;
    return &(task.pass == Pass::kForward ? forward_ : backward_)[place(stage, task.micro_batch)];
  }

  /// Begins the rank's next task, or waits for its message.
  void take_up(int64_t number) {
    auto& rank = ranks_[static_cast<size_t>(number)];
    if (rank.next == rank.tasks.size()) return;
    const double* message = message_for(number, rank.tasks[rank.next]);
    if (message == nullptr || (*message != kNotSent && *message <= now_)) return begin(number);
    rank.is_listening = *message == kNotSent;
    if (!rank.is_listening) arrivals_.push({*message, number});
  }

  void begin(int64_t number) {
    auto& rank = ranks_[static_cast<size_t>(number)];
    const auto& task = rank.tasks[rank.next];
    const auto& passes = load_.stages[static_cast<size_t>(stage_of(number, task))];
    const Spent& work = task.pass == Pass::kForward ? passes.forward : passes.backward;
    rank.work.add(work);
    rank.began = now_;
    ends_.push({served_ + work.total(), number});
  }

  void end(int64_t number) {
    auto& rank = ranks_[static_cast<size_t>(number)];
    rank.busy += now_ - rank.began;
    send(number, rank.tasks[rank.next++]);
    take_up(number);
  }

  void send(int64_t number, const parallel::PipelineTask& task) {
    const int64_t step = task.pass == Pass::kForward ? 1 : -1, stage = stage_of(number, task) + step;
    if (stage < 0 || stage >= load_.ranks * load_.chunks) return;
    auto& link = ranks_[static_cast<size_t>(number)].link_is_free;
    link = std::max(link, now_) + load_.message;
    double& message = (step > 0 ? forward_ : backward_)[place(stage, task.micro_batch)];
    message = link + load_.latency;
    const int64_t receiver = stage % load_.ranks;
    auto& other = ranks_[static_cast<size_t>(receiver)];
    if (!other.is_listening || message_for(receiver, other.tasks[other.next]) != &message) return;
    other.is_listening = false;
    arrivals_.push({message, receiver});
  }

  void next_event() {
    const double speed = speed_of(static_cast<double>(ends_.size()) * load_.alike, load_.at_once);
    const bool is_end = arrivals_.empty() || (!ends_.empty() && now_ + (ends_.top().first - served_) / speed <= arrivals_.top().first);
    if (is_end) {
      now_ += (ends_.top().first - served_) / speed;
      served_ = ends_.top().first;
    } else {
      served_ += (arrivals_.top().first - now_) * speed;
      now_ = arrivals_.top().first;
    }
    auto& queue = is_end ? ends_ : arrivals_;
    const int64_t rank = queue.top().second;
    queue.pop();
    is_end ? end(rank) : begin(rank);
  }

  const PipelineLoad& load_;
  std::vector<Rank> ranks_;
  std::vector<double> forward_, backward_;  // when the message into a stage is there, by stage and micro-batch
  Queue arrivals_;                          // by time, of ranks that wait
  Queue ends_;                              // by what is served, of ranks that compute
  double now_ = 0, served_ = 0;
};

/// `clock` and `times` as much as it has more than `before`.
RankClock continued(const RankClock& clock, const RankClock& before, double times) {
  RankClock found = clock;
  found.spent.add(clock.spent.times(times)), found.spent.add(before.spent.times(-times));
  found.waiting += times * (clock.waiting - before.waiting);
  return found;
}

}  // namespace

std::vector<RankClock> pipeline_clocks(const PipelineLoad& load) {
  const int64_t groups = load.micro_batches / load.ranks;
  if (groups <= kMostGroups) return PipelineRun(load).run();
  PipelineLoad few = load;
  few.micro_batches -= (groups - kMostGroups) * load.ranks;
  auto clocks = PipelineRun(few).run();
  few.micro_batches -= load.ranks;
  const auto before = PipelineRun(few).run();
  for (size_t rank = 0; rank < clocks.size(); ++rank)
    clocks[rank] = continued(clocks[rank], before[rank], static_cast<double>(groups - kMostGroups));
  return clocks;
}

std::vector<RankClock> joint_clocks(const std::vector<Spent>& shares, double alike, double at_once) {
  std::vector<size_t> order(shares.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return shares[a].total() < shares[b].total(); });
  std::vector<RankClock> clocks(shares.size());
  double now = 0, served = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto& share = shares[order[i]];
    now += (share.total() - served) / speed_of(static_cast<double>(order.size() - i) * alike, at_once);
    served = share.total();
    clocks[order[i]] = {share.times(served > 0 ? now / served : 0), -now};
  }
  for (auto& clock : clocks) clock.waiting += now;
  return clocks;
}

}  // namespace ingot::train
