#pragma once

#include <cstddef>

namespace ingot {

/// Where files are mapped, for the handler of SIGBUS: the kernel sends it to who touches a page of a mapping whose file has
/// become shorter or whose disk fails. `name` must live until remove_mapped_range. Ranges beyond a few thousand are not kept.
void add_mapped_range(const void* begin, size_t size, const char* name);
void remove_mapped_range(const void* begin);

/// From now on SIGBUS in such a range is one line that names the file and exit code 4. Elsewhere it is what it was.
void report_lost_mappings();

}  // namespace ingot
