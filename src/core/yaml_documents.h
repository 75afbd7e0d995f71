#pragma once

#include <cstddef>
#include <string>

namespace ingot {

/// Documents of a YAML text, without those at its end that hold nothing; `most` where there are as many or more, for yaml-cpp finds them
/// without end in some broken texts. Throws YAML::Exception.
size_t count_yaml_documents(const std::string& text, size_t most);

}  // namespace ingot
