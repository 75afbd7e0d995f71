#pragma once

#include <string>
#include <string_view>

namespace ingot::data {

enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };

/// A normalization form of Unicode 15 (UAX #15) of valid UTF-8.
std::string to_unicode_form(std::string_view text, UnicodeForm form);

/// Which characters NFC knows. Hugging Face tokenizers has Unicode 9: marks that came later do not move.
enum class NfcVersion { kUnicode9, kUnicode15 };

/// NFC of valid UTF-8. Only what is near a character that NFC may change is looked at closely.
std::string to_nfc(std::string_view text, NfcVersion version);

}  // namespace ingot::data
