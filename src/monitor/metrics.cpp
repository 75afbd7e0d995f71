#include "monitor/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/lease.h"

namespace ingot::monitor {
namespace fs = std::filesystem;
namespace {

double unix_time() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()) / 1000.0;
}

/// The step that a whole line of ours names; nothing for any other text.
std::optional<int64_t> step_of_line(std::string_view line) {
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer()) return {};
  return object["step"].get<int64_t>();
}

/// Rewrites the file without lines after `last_step` and without what is no whole line; untouched when all are to stay.
void keep_lines_up_to(const fs::path& file, int64_t last_step) {
  const MappedFile mapped(file);
  const std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  AtomicFile kept(file);
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
    const auto step = step_of_line(text.substr(begin, end - begin));
    if (step && *step <= last_step) kept.write(text.substr(begin, end - begin + 1));
  }
  if (kept.size() != text.size()) kept.commit();
}

}  // namespace

struct MetricsWriter::State {
  fs::path file;
  int descriptor = -1;

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }

  [[noreturn]] void fail() const {
    throw CommError(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
  }

  /// Takes back the first `done` bytes of a line, so that the next stands on one of its own.
  [[noreturn]] void fail_without(size_t done) const {
    const int why = errno;
    const off_t size = ::lseek(descriptor, 0, SEEK_END);
    if (done == 0 || ::ftruncate(descriptor, size - static_cast<off_t>(done)) == 0) errno = why;
    fail();
  }

  void append(const Json& object) {
    check_leases(file);
    const std::string line = json_text(object) + "\n";
    for (size_t done = 0; done < line.size();) {
      const ssize_t written = ::write(descriptor, line.data() + done, line.size() - done);
      if (written < 0 && errno != EINTR) fail_without(done);
      if (written > 0) done += static_cast<size_t>(written);
    }
  }
};

MetricsWriter::MetricsWriter(const fs::path& file, int64_t resume_step) : state_(std::make_unique<State>()) {
  state_->file = file;
  if (fs::exists(file)) keep_lines_up_to(file, resume_step);
  state_->descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (state_->descriptor < 0)
    throw ConfigError(fmt::format("{}: cannot be opened for writing: {}", file.string(), std::strerror(errno)));
}

MetricsWriter::~MetricsWriter() = default;

void MetricsWriter::step(const StepMetrics& metrics) {
  Json line = {{"step", metrics.step},
               {"total_steps", metrics.total_steps},
               {"epoch", metrics.epoch},
               {"consumed_samples", metrics.consumed_samples},
               {"loss", metrics.loss},
               {"grad_norm", metrics.grad_norm},
               {"learning_rate", metrics.learning_rate},
               {"loss_scale", metrics.loss_scale},
               {"global_batch_size", metrics.global_batch_size},
               {"tokens", metrics.tokens},
               {"seconds", metrics.seconds},
               {"tokens_per_second", metrics.tokens_per_second},
               {"tflops", metrics.tflops},
               {"peak_share", metrics.peak_share},
               {"skipped_iterations", metrics.skipped_iterations},
               {"nan_iterations", metrics.nan_iterations},
               {"time", unix_time()}};
  if (metrics.aux_loss) line["aux_loss"] = *metrics.aux_loss, line["expert_tokens"] = metrics.expert_tokens;
  state_->append(line);
}

void MetricsWriter::evaluation(int64_t step, double loss, uint64_t tokens, const std::string& set) {
  Json line{{"step", step}, {"eval_loss", loss}, {"eval_perplexity", std::exp(loss)}, {"eval_tokens", tokens}};
  if (!set.empty()) line["eval_set"] = set;
  line["time"] = unix_time();
  state_->append(line);
}

void MetricsWriter::event(int64_t step, const std::string& kind, const std::string& text) {
  state_->append({{"step", step}, {"event", kind}, {"text", text}, {"time", unix_time()}});
}

void MetricsWriter::sync() {
  if (::fdatasync(state_->descriptor) != 0) state_->fail();
}

}  // namespace ingot::monitor
