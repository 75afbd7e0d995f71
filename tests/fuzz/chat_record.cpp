#include "data/sft/record_handler.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto handler = ingot::data::make_record_handler("auto", {});
  return ingot::fuzz::refuses_or_reads([&] { (void)handler->handle(ingot::fuzz::text_of(data, size)); });
}
