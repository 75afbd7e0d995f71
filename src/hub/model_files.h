#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/folder_files.h"

namespace ingot::hub {

/// Names of the tokenizer and template files present in a model folder.
std::vector<std::string> tokenizer_files(const FolderFiles& folder);

/// sha256 over the names and bytes of the tokenizer files: what makes two tokenizers "the same".
std::string tokenizer_identity(const FolderFiles& folder);

/// Names of the files that belong to a model besides its weights, sorted: config.json, the tokenizer's, and whatever else
/// lies at the top of the folder or in additional_chat_templates/ (code, licences, cards). Left out are weights and their
/// indexes, adapters, hidden files and what a trainer saved of itself; with a warning, files above 64 MiB, names that
/// are not UTF-8 and links that lead out of the folder, unless they are named as a tokenizer's or config.json: those Ingot reads itself. A link into
/// the blobs of a Hugging Face cache is a file like any other. Throws DataError for a folder that cannot be read and for
/// a link to nothing.
std::vector<std::string> companion_files(const std::filesystem::path& folder);

/// Copies the companion files. Throws DataError when there is no config.json.
void copy_companion_files(const FolderFiles& from, const std::filesystem::path& to);

/// Checks that every companion file of `from` is in `to` with the same bytes; config.json may differ in the dtype.
/// Throws DataError naming the first that is not.
void check_companion_files(const std::filesystem::path& from, const std::filesystem::path& to);

/// Sets the dtype that the folder's config.json states for the weights beside it.
void write_dtype(const std::filesystem::path& folder, DType dtype);

/// Sets the vocab_size that the folder's config.json states, under every name that it has there.
void write_vocabulary_size(const std::filesystem::path& folder, int64_t vocab_size);

/// "bfloat16", "float16" or "float32" as a dtype; nothing for "auto". Throws ConfigError for another word.
std::optional<DType> dtype_named(const std::string& name);

}  // namespace ingot::hub
