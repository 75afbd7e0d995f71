#include "checkpoint/safetensors.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads([&] {
    const ingot::checkpoint::SafetensorsFile file(ingot::fuzz::file_of("model.safetensors", ingot::fuzz::text_of(data, size)));
    for (const auto& tensor : file.tensors()) (void)file.bytes(tensor);
  });
}
