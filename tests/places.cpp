#include "places.h"

namespace ingot {

std::filesystem::path checkout() { return INGOT_SOURCE_DIR; }

}  // namespace ingot
