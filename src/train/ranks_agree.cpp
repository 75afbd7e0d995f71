#include "train/ranks_agree.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/problems.h"

namespace ingot::train {
namespace {

std::string text_in(const at::Tensor& bytes) { return {bytes.const_data_ptr<uint8_t>(), bytes.const_data_ptr<uint8_t>() + bytes.numel()}; }

at::Tensor bytes_of(const std::string& text) {
  auto bytes = at::zeros({std::ssize(text)}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<uint8_t>());
  return bytes;
}

constexpr int64_t kTextTag = 255;  // beyond those of pipeline stages (train/passes.cpp)

/// The text of the one rank that says it.
std::string text_of_one(parallel::Communicator& ranks, const std::string& text, bool is_said) {
  auto size = at::full({1}, is_said ? static_cast<int64_t>(text.size()) : 0, at::kLong);
  ranks.all_reduce(size);
  auto bytes = is_said ? bytes_of(text) : at::zeros({size.item<int64_t>()}, at::kByte);
  ranks.all_reduce(bytes);
  return text_in(bytes);
}

}  // namespace

std::string text_of_first_rank(parallel::Communicator& ranks, const std::string& text) { return text_of_one(ranks, text, ranks.rank() == 0); }

std::string first_text(parallel::Communicator& ranks, const std::string& text) {
  auto sizes = at::empty({ranks.size()}, at::kLong);
  ranks.all_gather(sizes, at::full({1}, static_cast<int64_t>(text.size()), at::kLong));
  for (int64_t rank = 0; rank < ranks.size(); ++rank)
    if (sizes[rank].item<int64_t>() > 0) return text_of_one(ranks, text, ranks.rank() == rank);
  return "";
}

std::vector<std::string> texts_to_first_rank(parallel::Communicator& ranks, const std::string& text) {
  std::vector<std::string> texts;
  auto size = at::full({1}, static_cast<int64_t>(text.size()), at::kLong);
  if (ranks.rank() > 0) {
    ranks.send(size, 0, kTextTag);
    ranks.send(bytes_of(text), 0, kTextTag);
    return texts;
  }
  for (int64_t rank = 1; rank < ranks.size(); ++rank) {
    ranks.receive(size, rank, kTextTag);
    auto bytes = at::empty({size.item<int64_t>()}, at::kByte);
    ranks.receive(bytes, rank, kTextTag);
    texts.push_back(text_in(bytes));
  }
  return texts;
}

std::vector<std::string> texts_of_all(parallel::Communicator& ranks, const std::string& text) {
  auto others = texts_to_first_rank(ranks, text);
  Json all = {text};
  for (auto& other : others) all.push_back(std::move(other));
  return Json::parse(text_of_first_rank(ranks, all.dump())).get<std::vector<std::string>>();
}

void check_ranks_agree(parallel::Communicator& ranks, const Json& facts) {
  if (ranks.size() == 1) return;
  const Json wanted = Json::parse(text_of_first_rank(ranks, facts.dump()));
  Problems problems;
  for (const auto& [field, value] : facts.items())
    if (const Json other = wanted.value(field, Json()); other != value) problems.add(fmt::format("{}: found {}, rank 0 has {}", field, json_text(value), json_text(other)));
  for (const auto& [field, value] : wanted.items())
    if (!facts.contains(field)) problems.add(fmt::format("{}: found nothing, rank 0 has {}", field, json_text(value)));
  problems.throw_if_any(fmt::format("rank {} is not of the same run as rank 0", ranks.rank()));
}

double of_first_rank(parallel::Communicator& ranks, double number) {
  auto value = at::full({1}, ranks.rank() == 0 ? number : 0, at::kDouble);
  ranks.all_reduce(value);
  return value.item<double>();
}

}  // namespace ingot::train
