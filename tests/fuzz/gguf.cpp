#include "checkpoint/gguf/gguf.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads([&] {
    const ingot::checkpoint::GgufFile file(ingot::fuzz::file_of("model.gguf", ingot::fuzz::text_of(data, size)));
    for (const auto& tensor : file.tensors()) (void)file.dequantize(tensor);
  });
}
