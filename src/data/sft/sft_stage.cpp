#include "data/sft/sft_stage.h"

#include <fmt/format.h>

#include "core/error.h"

namespace ingot::data {
namespace {

constexpr size_t kBatchBytes = size_t{1} << 20, kBatchRows = 4096;

void pack_sample(const OriginatedSample& found, PieceWriter& piece) {
  const auto& [origin, sample] = found;
  piece.add(origin.item), piece.add(origin.row), piece.add(origin.cut), piece.add(sample.rendered);
  piece.add(std::string_view(sample.reason));
  if (!sample.reason.empty()) return piece.add(std::string_view(sample.detail));
  piece.add_ids(sample.ids);
  piece.add(sample.loss_mask), piece.add(sample.weights);
}

OriginatedSample unpack_sample(PieceReader& piece) {
  OriginatedSample found;
  auto& [origin, sample] = found;
  origin.item = piece.get<uint32_t>(), origin.row = piece.get<uint64_t>(), origin.cut = piece.get<uint64_t>();
  sample.rendered = piece.get<uint64_t>();
  sample.reason = piece.get_text();
  if (!sample.reason.empty()) {
    sample.detail = piece.get_text();
    return found;
  }
  sample.ids = piece.get_ids();
  sample.loss_mask = piece.get_all<uint8_t>(), sample.weights = piece.get_all<float>();
  return found;
}

}  // namespace

size_t ReadRows::memory() const {
  size_t bytes = 0;
  for (const auto& row : rows) bytes += sizeof(JsonRow) + row.json.size();
  return bytes * (2 + sizeof(TokenId) + sizeof(uint8_t));  // a token stands for one byte of text at worst
}

SftStage::SftStage(const Rendering& rendering, const std::vector<InputFile>& inputs, SftWriter* output)
    : rendering_(rendering), inputs_(inputs), output_(output),
      handler_(make_record_handler(rendering.options.handler_name, rendering.options.map_keys, rendering.options.ignore_fields)),
      columns_(rendering.options.map_keys), records_left_(rendering.options.max_samples) {
  if (records_left_ == 0) records_left_ = ~uint64_t{0};
}

ReadRows SftStage::read(const BlockPart* opened) {
  if (opened) {
    part_ = std::make_shared<const FilePart>(inputs_[opened->file].path, opened->cut.begin, opened->cut.end);
    if (records_left_ > 0) reader_ = open_json_row_reader(*part_);
    bytes_before_ = 0;
  }
  ReadRows batch{.part = part_};
  if (reader_) read_rows(batch);
  batch.ends_part = batch.rows.empty();
  if (!batch.ends_part) return batch;
  batch.end = RenderedBatch::PartEnd{reader_ ? reader_->rows_read() : 0, records_left_ > 0};
  reader_.reset();
  return batch;
}

void SftStage::read_rows(ReadRows& batch) {
  for (size_t bytes = 0; bytes < kBatchBytes && batch.rows.size() < kBatchRows && records_left_ > 0; --records_left_) {
    JsonRow row;
    if (!reader_->next(row)) break;
    bytes += row.json.size();
    batch.rows.push_back(std::move(row));
  }
  batch.bytes_read = reader_->bytes_read() - bytes_before_;
  bytes_before_ += batch.bytes_read;
}

RenderedBatch SftStage::work(const ReadRows& batch) const {
  RenderedBatch rendered{.bytes_read = batch.bytes_read, .columns = MappedColumns(rendering_.options.map_keys), .end = batch.end};
  for (const auto& row : batch.rows) try {
    render(row, rendered);
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}:{}: {}", batch.part->file.string(), rows_before(*batch.part) + row.row, error.what()));
  }
  return rendered;
}

/// What one record became, behind the samples of those before it.
void SftStage::render(const JsonRow& row, RenderedBatch& batch) const {
  ++batch.records;
  HandledRecord handled;
  if (row.problem.empty()) handled = handler_->handle(row.json);
  else handled.reason = row.problem;
  if (!handled.handler.empty()) ++batch.handlers[handled.handler];
  for (const auto& column : handled.unused) ++batch.unused[column];
  batch.columns.see(handled.columns);
  if (!handled.reason.empty()) {
    Sample left_out;
    left_out.reason = handled.reason, left_out.detail = handled.detail;
    batch.samples.push_back({{.row = row.row}, std::move(left_out)});
    return;
  }
  batch.further_samples += handled.conversations.size() - 1;
  for (uint32_t item = 0; item < handled.conversations.size(); ++item) {
    Sample sample = render_sample(std::move(handled.conversations[item]), rendering_.chat, rendering_.tokenizer, rendering_.options.sample);
    const uint64_t cut = sample.reason.empty() ? sample.cut() : 0;
    batch.samples.push_back({{.item = item, .row = row.row, .cut = cut}, std::move(sample)});
  }
}

void SftStage::write(const RenderedBatch& batch) {
  output_->add(batch);
  columns_.see(batch.columns);
}

void SftStage::pack(const RenderedBatch& batch, PieceWriter& piece) {
  piece.add(batch.records), piece.add(batch.further_samples);
  piece.add(batch.handlers), piece.add(batch.unused);
  const auto columns = batch.columns.seen();
  piece.add(columns.size());
  for (const auto& column : columns) piece.add(std::string_view(column));
  piece.add(batch.samples.size());
  for (const auto& sample : batch.samples) pack_sample(sample, piece);
  piece.add(static_cast<uint8_t>(batch.end.has_value()));
  if (batch.end) piece.add(batch.end->rows), piece.add(static_cast<uint8_t>(batch.end->is_read));
}

RenderedBatch SftStage::unpack(PieceReader& piece) const {
  RenderedBatch batch{.columns = MappedColumns(rendering_.options.map_keys)};
  batch.records = piece.get<uint64_t>(), batch.further_samples = piece.get<uint64_t>();
  batch.handlers = piece.get_counts(), batch.unused = piece.get_counts();
  std::vector<std::string> columns;
  for (uint64_t left = piece.get<uint64_t>(); left > 0; --left) columns.push_back(piece.get_text());
  batch.columns.see(columns);
  for (uint64_t left = piece.get<uint64_t>(); left > 0; --left) batch.samples.push_back(unpack_sample(piece));
  if (piece.get<uint8_t>() == 0) return batch;
  batch.end = RenderedBatch::PartEnd{};
  batch.end->rows = piece.get<uint64_t>(), batch.end->is_read = piece.get<uint8_t>() != 0;
  return batch;
}

void SftStage::refuse_absent_columns() const {
  const std::string first = inputs_[0].path.string();
  columns_.refuse_absent(inputs_.size() == 1 ? first : fmt::format("{} and {} more files", first, inputs_.size() - 1));
}

}  // namespace ingot::data
