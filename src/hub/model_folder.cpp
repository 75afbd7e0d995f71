#include "hub/model_folder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/content_digest.h"
#include "core/log.h"
#include "core/stop.h"
#include "model/family.h"

namespace ingot::hub {
namespace {

constexpr uint64_t kWholeBytes = uint64_t{1} << 30;
constexpr size_t kSampledBytes = size_t{1} << 20;

std::string digest_of(const checkpoint::TensorInfo& tensor, const at::Tensor& value, bool whole) {
  const std::string head = fmt::format("{} {} {}", tensor.name, c10::toString(value.scalar_type()), to_string(tensor.shape));
  const std::span bytes(static_cast<const std::byte*>(value.const_data_ptr()), value.nbytes());
  ContentDigest digest;
  digest.add(std::as_bytes(std::span(head)));
  if (whole || bytes.size() <= 3 * kSampledBytes) return digest.add(bytes).hex();
  for (const size_t begin : {size_t{0}, (bytes.size() - kSampledBytes) / 2, bytes.size() - kSampledBytes})
    digest.add(bytes.subspan(begin, kSampledBytes));
  return digest.hex();
}

}  // namespace

const model::DecoderConfig& ModelFolder::config() const {
  if (config_) return *config_;
  auto config = stated_config();
  const auto [embedding, head] = model::end_names(config);
  if (config.tie_word_embeddings && has_weights() && weights().contains(head) && weights().contains(embedding) &&
      !weights().load(head).equal(weights().load(embedding))) {
    log_warning(fmt::format("{}: config.json says tie_word_embeddings, but {} has other values than {}: both are kept",
                            path().string(), head, embedding));
    config.tie_word_embeddings = false;
  }
  return config_.emplace(std::move(config));
}

void ModelFolder::grow_vocabulary(int64_t rows) {
  grown_ = rows;
  stated_config_.reset();
  config_.reset();
}

const checkpoint::HfWeights& ModelFolder::weights() const {
  if (!weights_) weights_ = std::make_unique<const checkpoint::HfWeights>(path());
  return *weights_;
}

const std::string& ModelFolder::weights_digest() const {
  if (!weights_digest_.empty()) return weights_digest_;
  auto tensors = weights().tensors();
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const bool whole = weights().total_bytes() < kWholeBytes;
  std::vector<std::string> digests(tensors.size());
  at::parallel_for(0, static_cast<int64_t>(tensors.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      end_if_stopped("reading weights, nothing is lost");
      digests[i] = digest_of(tensors[i], weights_->load(tensors[i].name), whole);
    }
  });
  ContentDigest all;
  for (const auto& one : digests) all.add(std::as_bytes(std::span(one)));
  return weights_digest_ = all.hex();
}

std::string ModelFolder::stored_name(const std::string& parameter) const {
  const auto [embedding, head] = model::end_names(config());
  const bool head_alone = config().tie_word_embeddings && parameter == embedding && !weights().contains(embedding) && weights().contains(head);
  return head_alone ? head : parameter;
}

bool ModelFolder::grows(const std::string& parameter, const Shape& shape) const {
  const auto [embedding, head] = model::end_names(config());
  return grown_ && (parameter == embedding || parameter == head) && shape.size() == 2 && shape[0] < *grown_;
}

Shape ModelFolder::parameter_shape(const std::string& name) const {
  Shape shape = weights().info(stored_name(name)).shape;
  if (grows(name, shape)) shape[0] = *grown_;
  return shape;
}

at::Tensor ModelFolder::parameter(const std::string& name) const {
  const auto value = weights().load(stored_name(name));
  if (!grows(name, value.sizes().vec())) return value;
  const auto mean = value.to(at::kFloat).mean(0, true).to(value.scalar_type());
  return at::cat({value, mean.expand({*grown_ - value.size(0), -1})});
}

}  // namespace ingot::hub
