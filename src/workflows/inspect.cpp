#include "workflows/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "core/stop.h"
#include "data/shards/indexed_dataset.h"
#include "data/shards/indexed_layout.h"
#include "data/tokenizer/tokenizer.h"
#include "workflows/inspect_pretrain.h"
#include "workflows/inspect_sft.h"
#include "config/train_config.h"

namespace ingot::workflows {
namespace fs = std::filesystem;
namespace {

/// A row of the token stream with the documents that start in it.
struct Row {
  uint64_t begin = 0;
  std::vector<data::TokenId> tokens;
  struct Document { uint64_t number, start; };  // start: position in the row
  std::vector<Document> documents;
};

bool is_config(const fs::path& path) { return path.extension() == ".yaml" || path.extension() == ".yml"; }

fs::path without_ending(fs::path path) {
  return path.extension() == ".bin" || path.extension() == ".idx" ? path.replace_extension() : path;
}

Row read_row(const data::IndexedDataset& dataset, const data::RowCuts& cuts, uint64_t number, int64_t seq_length) {
  if (number >= cuts.num_rows()) throw ConfigError(fmt::format("--row: found {}, wanted below {}", number, cuts.num_rows()));
  const auto [begin, end] = cuts.range(number);
  Row row{begin, dataset.tokens(begin, std::min(static_cast<uint64_t>(seq_length), end - begin)), {}};
  for (uint64_t d = dataset.document_of(row.begin); d < dataset.num_documents(); ++d) {
    const uint64_t start = dataset.document_start(d);
    if (start >= row.begin + row.tokens.size()) break;
    if (start >= row.begin) row.documents.push_back({d, start - row.begin});
  }
  return row;
}

void print_json(const Row& row, const data::Tokenizer* tokenizer, std::ostream& out) {
  Json documents = Json::array();
  for (const auto& document : row.documents) documents.push_back({{"document", document.number}, {"start", document.start}});
  Json object{{"first_token", row.begin}, {"input_ids", row.tokens}, {"documents", documents}};
  if (tokenizer) object["text"] = tokenizer->decode(row.tokens);
  out << json_text(object) << "\n";
}

void print_table(const Row& row, const data::Tokenizer* tokenizer, std::ostream& out) {
  auto document = row.documents.begin();
  out << fmt::format("{:>8} {:>8}  text\n", "position", "id");
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    if (document != row.documents.end() && document->start == i) out << fmt::format("--- document {} ---\n", document++->number);
    const std::string text = tokenizer ? tokenizer->decode({&row.tokens[i], 1}) : "";
    out << fmt::format("{:>8} {:>8}  {}\n", i, row.tokens[i], json_text(text));
  }
}

}  // namespace

int inspect(const InspectRequest& given, std::ostream& out) {
  const NothingToSave reading;
  InspectRequest request = given;
  PretrainData pretrain{without_ending(request.path)};
  if (is_config(request.path)) {
    const auto config = config::load_train_config(request.path, {});
    if (config.stage == "sft") return inspect_sft(request, sft_prefixes(config), out);
    if (request.model.empty()) request.model = config.model_name_or_path;
    if (!request.seq_length) request.seq_length = config.cutoff_len;
    pretrain = pretrain_data(config);
    if (!request.row && !request.sample) {
      inspect_pretrain(request, pretrain, out);
      return kExitOk;
    }
  }
  if (const auto prefix = sft_prefix(request.path)) return inspect_sft(request, {*prefix}, out);
  if (request.sample) throw ConfigError(fmt::format("--sample: {} is no data set of stage sft", given.path.string()));
  const data::IndexedDataset dataset(pretrain.prefix);
  const auto tokenizer = request.model.empty() ? nullptr : data::load_tokenizer(request.model);
  const int64_t seq_length = request.seq_length.value_or(1024);
  const Row row = read_row(dataset, cuts_of(pretrain, dataset, seq_length), request.row.value_or(0), seq_length);
  if (tokenizer) data::expect_ids(*tokenizer, row.tokens, data::bin_path(pretrain.prefix).string());
  request.json ? print_json(row, tokenizer.get(), out) : print_table(row, tokenizer.get(), out);
  return kExitOk;
}

}  // namespace ingot::workflows
