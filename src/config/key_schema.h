#pragma once

#include "core/json.h"

namespace ingot::config {

enum class Language { kEnglish, kChinese };

/// A JSON schema (draft 2020-12) of a configuration, for editors and validators. Beside the standard keywords each property
/// says x-section, x-stage, x-environment, x-aliases, and x-absent: what the documents show in place of its default.
/// An alias is a property like its key. `:` with nothing behind it keeps a default, so every key may be null.
Json key_schema(Language language);

}  // namespace ingot::config
