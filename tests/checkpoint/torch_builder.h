#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ingot::checkpoint {

/// Opcodes of a pickle, by hand.
std::string pickled_text(std::string_view text);
std::string pickled_int(int64_t value);
std::string pickled_global(std::string_view module, std::string_view name);
std::string pickled_tuple(const std::vector<std::string>& items);

/// How a tensor is said to lie in a storage. The defaults are true for six floats under key "0".
struct PickledTensor {
  std::string type = "FloatStorage", key = "0";
  int64_t numel = 6, offset = 0;
  std::vector<int64_t> shape{2, 3}, strides{3, 1};
};

std::string pickled_tensor(const PickledTensor& tensor);

/// A whole pickle of one value.
std::string pickle_of(const std::string& value);

/// A pickle of a dict with these tensors under the names "a", "b" ...
std::string state_dict(const std::vector<PickledTensor>& tensors);

/// A record of a zip file, and what its headers say of it.
struct ZipPart {
  std::string name, data;
  uint16_t method = 0, flags = 0;
  std::string local_name = name;
  int64_t size_lie = 0, place_lie = 0;  // added in the directory
};

struct ZipForm {
  bool in64 = false;  // sizes and places in zip64 fields
  uint64_t num_records_lie = 0, directory_lie = 0, locator_lie = 0;
};

std::string zip_bytes(const std::vector<ZipPart>& parts, const ZipForm& form = {});

/// A file as torch.save writes it: this pickle and the floats 0 to 5 as storage "0".
std::vector<ZipPart> torch_parts(const std::string& pickle);
std::string torch_zip(const std::string& pickle);

/// The legacy form of the same.
std::string torch_legacy(const std::string& pickle, int64_t numel = 6);

/// The bytes of the floats 0 to 5.
std::string six_floats();

}  // namespace ingot::checkpoint
