#include "checkpoint/torch/pickle_reader.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads([&] { (void)ingot::checkpoint::read_pickle(ingot::fuzz::bytes_of(data, size), "data.pkl"); });
}
