#include "config/train_config.h"
#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads(
      [&] { (void)ingot::config::load_train_config(ingot::fuzz::file_of("run.yaml", ingot::fuzz::text_of(data, size)), {}); });
}
