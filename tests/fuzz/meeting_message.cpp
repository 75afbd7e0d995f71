#include "fuzz/fuzz.h"
#include "launch/message.h"

/// What a stranger may send to the port where the ranks meet, in two pieces. CommError is how it is refused.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = ingot::fuzz::text_of(data, size);
  ingot::launch::Inbox inbox(4096);
  try {
    for (const auto piece : {text.substr(0, size / 2), text.substr(size / 2)}) {
      inbox.add(piece);
      while (inbox.take()) {}
    }
  } catch (const ingot::CommError&) {
  }
  return 0;
}
