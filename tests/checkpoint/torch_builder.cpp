#include "checkpoint/torch_builder.h"

#include "checkpoint/support.h"

namespace ingot::checkpoint {
namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

std::string pickled_sizes(const std::vector<int64_t>& sizes) {
  std::vector<std::string> items;
  for (const int64_t size : sizes) items.push_back(pickled_int(size));
  return pickled_tuple(items);
}

std::string zip64_extra(uint64_t size, uint64_t place) {
  return little_endian(1, 2) + little_endian(24, 2) + little_endian(size) + little_endian(size) + little_endian(place);
}

std::string central_header(const ZipPart& part, uint64_t place, bool in64) {
  const uint64_t size = part.data.size() + static_cast<uint64_t>(part.size_lie);
  place += static_cast<uint64_t>(part.place_lie);
  const std::string extra = in64 ? zip64_extra(size, place) : "";
  const std::string size_field = little_endian(in64 ? 0xffffffff : size, 4);
  return little_endian(0x02014b50, 4) + little_endian(0, 4) + little_endian(part.flags, 2) +
         little_endian(part.method, 2) + little_endian(0, 8) + size_field + size_field +
         little_endian(part.name.size(), 2) + little_endian(extra.size(), 2) + little_endian(0, 2) +
         little_endian(0, 8) + little_endian(in64 ? 0xffffffff : place, 4) + part.name + extra;
}

/// With torch's padding, so that the data begins at a multiple of 64.
std::string local_header(const ZipPart& part, uint64_t place) {
  const uint64_t start = place + 30 + part.local_name.size() + 4;
  const uint64_t padding = (64 - start % 64) % 64;
  return little_endian(0x04034b50, 4) + little_endian(0, 2) + little_endian(part.flags, 2) +
         little_endian(part.method, 2) + little_endian(0, 8) + little_endian(part.data.size(), 4) +
         little_endian(part.data.size(), 4) + little_endian(part.local_name.size(), 2) + little_endian(padding + 4, 2) +
         part.local_name + "FB" + little_endian(padding, 2) + std::string(padding, 'Z');
}

}  // namespace

std::string pickled_text(std::string_view text) {
  return std::string("X").append(little_endian(text.size(), 4)).append(text);
}

std::string pickled_int(int64_t value) { return bytes({0x8a, 8}) + little_endian(static_cast<uint64_t>(value)); }

std::string pickled_global(std::string_view module, std::string_view name) {
  return std::string("c").append(module).append("\n").append(name).append("\n");
}

std::string pickled_tuple(const std::vector<std::string>& items) {
  std::string text = "(";
  for (const auto& item : items) text += item;
  return text + "t";
}

std::string pickled_tensor(const PickledTensor& tensor) {
  const std::string id = pickled_tuple({pickled_text("storage"), pickled_global("torch", tensor.type),
                                        pickled_text(tensor.key), pickled_text("cpu"), pickled_int(tensor.numel)});
  const std::string hooks = pickled_global("collections", "OrderedDict") + ")R";
  return pickled_global("torch._utils", "_rebuild_tensor_v2") +
         pickled_tuple({id + "Q", pickled_int(tensor.offset), pickled_sizes(tensor.shape),
                        pickled_sizes(tensor.strides), bytes({0x89}), hooks}) +
         "R";
}

std::string pickle_of(const std::string& value) { return bytes({0x80, 2}) + value + "."; }

std::string state_dict(const std::vector<PickledTensor>& tensors) {
  std::string items = "}(";
  char name = 'a';
  for (const auto& tensor : tensors) items += pickled_text(std::string(1, name++)) + pickled_tensor(tensor);
  return pickle_of(items + "u");
}

std::string zip_bytes(const std::vector<ZipPart>& parts, const ZipForm& form) {
  std::string file, directory;
  for (const auto& part : parts) {
    directory += central_header(part, file.size(), form.in64);
    file += local_header(part, file.size()) + part.data;
  }
  const uint64_t start = file.size() + form.directory_lie, count = parts.size() + form.num_records_lie;
  const uint64_t end = file.size() + directory.size();
  file += directory;
  if (form.in64)
    file += little_endian(0x06064b50, 4) + little_endian(44) + little_endian(0, 4) + little_endian(0, 8) +
            little_endian(count) + little_endian(count) + little_endian(directory.size()) + little_endian(start) +
            little_endian(0x07064b50, 4) + little_endian(0, 4) + little_endian(end + form.locator_lie) +
            little_endian(1, 4);
  const bool in64 = form.in64;
  return file + little_endian(0x06054b50, 4) + little_endian(0, 4) + little_endian(in64 ? 0xffff : count, 2) +
         little_endian(in64 ? 0xffff : count, 2) + little_endian(in64 ? 0xffffffff : directory.size(), 4) +
         little_endian(in64 ? 0xffffffff : start, 4) + little_endian(0, 2);
}

std::vector<ZipPart> torch_parts(const std::string& pickle) {
  return {{"archive/data.pkl", pickle},
          {"archive/byteorder", "little"},
          {"archive/data/0", six_floats()},
          {"archive/version", "3\n"}};
}

std::string torch_zip(const std::string& pickle) { return zip_bytes(torch_parts(pickle)); }

std::string torch_legacy(const std::string& pickle, int64_t numel) {
  const std::string magic = bytes({0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19});
  const std::string system = std::string("}").append(pickled_text("little_endian")).append("\x88s");
  return pickle_of(magic) + pickle_of(pickled_int(1001)) + pickle_of(system) + pickle +
         pickle_of(std::string("]").append(pickled_text("0")).append("a")) +
         little_endian(static_cast<uint64_t>(numel)) + six_floats();
}

std::string six_floats() {
  std::string text;
  for (const uint32_t bits : {0u, 0x3f800000u, 0x40000000u, 0x40400000u, 0x40800000u, 0x40a00000u})
    text += little_endian(bits, 4);
  return text;
}

}  // namespace ingot::checkpoint
