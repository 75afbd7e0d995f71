#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace ingot {

/// A small JSON document that keeps the order of its keys. Data sets and big vocabularies go through simdjson.
using Json = nlohmann::ordered_json;

/// Parses a whole file. Throws DataError naming the file and the place when it is not JSON,
/// nests deeper than 64 levels or is larger than `max_bytes`.
Json read_json(const std::filesystem::path& file, size_t max_bytes = size_t{256} << 20);

/// UTF-8, in one line or indented by so many spaces; bytes that are no UTF-8 become U+FFFD.
std::string json_text(const Json& value, int indent = -1);

/// Parses text; `name` stands for it in messages. Throws DataError.
Json parse_json(std::string_view text, const std::string& name);

}  // namespace ingot
