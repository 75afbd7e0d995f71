#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ingot::monitor {

/// The numbers of one training step.
struct StepMetrics {
  int64_t step = 0, total_steps = 0;  // 1-based
  uint64_t consumed_samples = 0;
  double seconds = 0, tflops = 0;     // of this step; model FLOPs / seconds / 1e12
  double learning_rate = 0, loss = 0, grad_norm = 0, loss_scale = 1;
  int64_t global_batch_size = 0;
  int64_t skipped_iterations = 0, nan_iterations = 0;
  uint64_t tokens = 0;                           // non-padding tokens of this step
  double tokens_per_second = 0, peak_share = 0;  // share of the measured matrix rate, 0..1
  double epoch = 0;
  std::optional<double> aux_loss;      // balance of experts, before its coefficient; nothing in a dense model
  std::vector<int64_t> expert_tokens;  // tokens of each expert, over all layers; empty in a dense model
};

/// The Megatron log line, byte for byte in its format (CONTRACT §6.2), without a newline:
/// " [2024-09-24 10:50:20] iteration       10/     500 | consumed samples:         1280 | elapsed time ..."
/// A mixture of experts has "load_balancing_loss: 1.234567E+00 |" after the lm loss. The time is local. Source: training_log of Megatron-LM core_r0.6.0 with --log-throughput.
std::string megatron_line(const StepMetrics& metrics, int64_t unix_seconds);

/// Appends one JSON object a line to FILE, whole lines only, flushed each. Opened again after a resume it drops lines
/// of steps after `resume_step`, and a torn last line, so that every step stands once; a new run passes -1 and drops
/// all.
/// Throws ConfigError when the file cannot be opened and CommError when a line cannot be written or the run's lease is lost.
class MetricsWriter {
 public:
  MetricsWriter(const std::filesystem::path& file, int64_t resume_step);
  ~MetricsWriter();
  void step(const StepMetrics& metrics);
  /// `loss` is the mean over `tokens` labels of the evaluation rows; perplexity is exp(loss). `set` names the data set
  /// when it is one of several.
  void evaluation(int64_t step, double loss, uint64_t tokens, const std::string& set = "");
  /// Another event, such as "checkpoint" or "stop", with a text.
  void event(int64_t step, const std::string& kind, const std::string& text);
  /// Makes all lines durable; called before a checkpoint, so that no line of a saved step can be missing after it.
  void sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ingot::monitor
