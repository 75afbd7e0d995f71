#include "data/shards/indexed_dataset.h"

#include "fuzz/fuzz.h"

/// The index is fuzzed; the tokens are 64 numbers of 16 bits or half as many of 32.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return ingot::fuzz::refuses_or_reads([&] {
    ingot::fuzz::file_of("set.bin", std::string(128, '\1'));
    const auto index = ingot::fuzz::file_of("set.idx", ingot::fuzz::text_of(data, size));
    const ingot::data::IndexedDataset set(ingot::fuzz::folder() / index.stem());
    for (uint64_t i = 0; i < set.num_sequences(); ++i) (void)set.sequence(i);
    for (uint64_t i = 0; i <= set.num_documents(); ++i) (void)set.document_start(i);
    (void)set.tokens(0, set.num_tokens());
  });
}
