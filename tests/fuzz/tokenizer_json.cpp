#include "data/tokenizer/pipeline_tokenizer.h"
#include "data/tokenizer/tokenizer_files.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads([&] {
    const auto tokenizer = ingot::data::read_tokenizer_json({ingot::fuzz::text_of(data, size), "tokenizer.json"}, {});
    const auto ids = tokenizer->encode_with_special_tokens("  Héllo <s>wörld 你好\n12345");
    (void)tokenizer->decode(ids, false);
  });
}
