#include "data/shards/pretrain_stage.h"

#include "core/error.h"
#include "data/shards/pretrain_output.h"

namespace ingot::data {
namespace {

void add_found(const ColumnFound& found, PieceWriter& piece) {
  piece.add(found.present), piece.add(found.missing), piece.add(found.keys.size());
  for (const auto& key : found.keys) piece.add(std::string_view(key));
}

ColumnFound get_found(PieceReader& piece) {
  ColumnFound found;
  found.present = piece.get<uint64_t>(), found.missing = piece.get<uint64_t>();
  for (uint64_t left = piece.get<uint64_t>(); left > 0; --left) found.keys.push_back(piece.get_text());
  return found;
}

}  // namespace

size_t TextRecords::memory() const {
  size_t bytes = 0;
  for (const auto& record : records) bytes += sizeof(TextRecord) + record.text.size();
  return bytes * (1 + sizeof(TokenId));  // a token stands for one byte of text at worst
}

TextRecords PretrainStage::read(const BlockPart* opened) {
  if (opened) {
    reader_ = open_text_reader({inputs_.files[opened->file].path, opened->cut.begin, opened->cut.end}, column_);
    bytes_before_ = 0;
  }
  TextRecords batch;
  batch.ends_part = !reader_->next(batch.records);
  batch.bytes_read = reader_->bytes_read() - bytes_before_;
  bytes_before_ += batch.bytes_read;
  if (!batch.ends_part) return batch;
  batch.end = PartEnd{reader_->rows_read(), reader_->found(), reader_->unused()};
  reader_.reset();
  return batch;
}

EncodedRecords PretrainStage::work(TextRecords batch) const {
  EncodedRecords encoded{batch.bytes_read, batch.records.size(), {}, {}, {}, std::move(batch.end)};
  const auto skip = [&](const TextRecord& record, std::string reason) { encoded.skipped.push_back({record.row, {}, std::move(reason)}); };
  for (const auto& record : batch.records) {
    if (!record.problem.empty() || record.text.empty()) {
      skip(record, record.problem.empty() ? "empty text" : record.problem);
      continue;
    }
    std::vector<TokenId> tokens;
    try {
      tokens = tokenizer_.encode(record.text);
    } catch (const DataError& error) {  // of this text alone
      skip(record, error.what());
      continue;
    }
    if (tokens.empty()) {
      skip(record, "text without a token");
      continue;
    }
    encoded.tokens.insert(encoded.tokens.end(), tokens.begin(), tokens.end());
    if (options_.append_eod) encoded.tokens.push_back(options_.eod_id);
    encoded.lengths.push_back(tokens.size() + (options_.append_eod ? 1 : 0));
  }
  return encoded;
}

void PretrainStage::begin(const Block& block) { output_->begin(block); }
void PretrainStage::write(const EncodedRecords& batch) { output_->add(batch); }

void PretrainStage::pack(const EncodedRecords& batch, PieceWriter& piece) {
  piece.add(batch.num_records);
  piece.add_ids(batch.tokens);
  piece.add(batch.lengths);
  piece.add(batch.skipped.size());
  for (const auto& record : batch.skipped) piece.add(record.row), piece.add(std::string_view(record.problem));
  piece.add(static_cast<uint8_t>(batch.end.has_value()));
  if (!batch.end) return;
  piece.add(batch.end->rows);
  add_found(batch.end->found, piece);
  piece.add(batch.end->unused);
}

EncodedRecords PretrainStage::unpack(PieceReader& piece) {
  EncodedRecords batch;
  batch.num_records = piece.get<uint64_t>();
  batch.tokens = piece.get_ids();
  batch.lengths = piece.get_all<uint64_t>();
  for (uint64_t left = piece.get<uint64_t>(); left > 0; --left) {
    const auto row = piece.get<uint64_t>();
    batch.skipped.push_back({row, {}, piece.get_text()});
  }
  if (piece.get<uint8_t>() == 0) return batch;
  batch.end.emplace();
  batch.end->rows = piece.get<uint64_t>();
  batch.end->found = get_found(piece);
  batch.end->unused = piece.get_counts();
  return batch;
}

}  // namespace ingot::data
