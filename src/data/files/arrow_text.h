#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/files/record_reader.h"

namespace ingot::data {

/// A text column (string, large, view or dictionary of it, or binary that is UTF-8) of a Parquet file. Page checksums
/// are verified. Throws DataError naming the columns when `column` is missing or is not text.
std::unique_ptr<TextReader> open_parquet_text(const FilePart& part, const std::string& column);

/// The same of an Arrow IPC file or stream (.arrow, .ipc, Feather version 2).
std::unique_ptr<TextReader> open_ipc_text(const std::filesystem::path& file, const std::string& column);

}  // namespace ingot::data
