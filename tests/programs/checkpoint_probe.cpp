/// Lets tests in Python reach the checkpoint room:
///   dequantize TYPE COUNT     blocks on standard input to float32 on standard output
///   gguf FILE FOLDER          every tensor as float32 in FOLDER/NAME.f32; prints one line of JSON a tensor
///   copy FROM TO MAX_BYTES    a Hugging Face folder's weights, in the order of the names on standard input
///   check                     opens the safetensors files named on standard input; prints "ok" or the error for each
///   check-torch               the same for files of torch.save, of which every tensor is read
///   weights FOLDER            every tensor of a Hugging Face folder as a line like those that `write` takes
///   write FILE                safetensors of the JSON lines {"name","dtype","shape","hex"} on standard input
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <functional>
#include <iostream>
#include <iterator>
#include <span>
#include <string>

#include "checkpoint/gguf/gguf.h"
#include "checkpoint/hf_folder.h"
#include "checkpoint/torch/torch_file.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "tensor_makers.h"

namespace ingot::checkpoint {
namespace {

std::string read_input() { return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()}; }

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

void dequantize(const std::string& type, const std::string& count) {
  const std::string blocks = read_input();
  std::cout << bytes_of(dequantize_ggml(std::stoul(type), std::as_bytes(std::span(blocks)), std::stoull(count)));
}

void dump_gguf(const std::string& file, const std::filesystem::path& folder) {
  const GgufFile gguf(file);
  for (const auto& tensor : gguf.tensors()) {
    write_file(folder / (tensor.name + ".f32"), bytes_of(gguf.dequantize(tensor)));
    std::cout << Json{{"name", tensor.name}, {"shape", tensor.shape}, {"type", tensor.type}}.dump() << "\n";
  }
}

void copy(const std::string& from, const std::string& to, const std::string& max_bytes) {
  const HfWeights weights(from);
  std::vector<NamedTensor> tensors;
  for (std::string name; std::getline(std::cin, name);) tensors.push_back({name, weights.load(name)});
  write_hf_weights(to, makers_of(tensors, weights.tensors().at(0).dtype), std::stoull(max_bytes));
}

void open_torch(const std::string& name) {
  const TorchFile opened(name);
  for (const auto& tensor : opened.tensors()) opened.load(tensor.name);
}

void check(const std::function<void(const std::string&)>& open) {
  for (std::string name; std::getline(std::cin, name);) {
    try {
      open(name);
      std::cout << "ok\n";
    } catch (const DataError& error) {
      std::cout << error.what() << "\n";
    }
  }
}

void print_weights(const std::string& folder) {
  const HfWeights weights(folder);
  for (const auto& tensor : weights.tensors()) {
    const at::Tensor value = weights.load(tensor.name);
    std::string hex;
    for (size_t i = 0; i < value.nbytes(); ++i)
      hex += fmt::format("{:02x}", static_cast<const unsigned char*>(value.const_data_ptr())[i]);
    std::cout << Json{{"name", tensor.name}, {"dtype", safetensors_name(tensor.dtype)}, {"shape", tensor.shape}, {"hex", hex}}.dump()
              << "\n";
  }
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

void write(const std::string& file) {
  std::vector<TensorSource> sources;
  for (std::string line; std::getline(std::cin, line);) {
    const Json tensor = parse_json(line, "standard input");
    const std::string bytes = from_hex(tensor["hex"]);
    sources.push_back({tensor["name"], dtype_from_safetensors(tensor["dtype"].get<std::string>()).value(),
                       tensor["shape"], [bytes](const ByteSink& sink) { sink(bytes); }});
  }
  write_safetensors(file, std::move(sources), {{"format", "pt"}});
}

int run(std::span<char*> args) {
  const std::string verb = args.empty() ? "" : args[0];
  if (verb == "dequantize" && args.size() == 3) dequantize(args[1], args[2]);
  else if (verb == "gguf" && args.size() == 3) dump_gguf(args[1], args[2]);
  else if (verb == "copy" && args.size() == 4) copy(args[1], args[2], args[3]);
  else if (verb == "check") check([](const std::string& name) { SafetensorsFile opened(name); });
  else if (verb == "check-torch") check(open_torch);
  else if (verb == "weights" && args.size() == 2) print_weights(args[1]);
  else if (verb == "write" && args.size() == 2) write(args[1]);
  else return std::cerr << "checkpoint_probe: unknown arguments\n", int{kExitConfig};
  return kExitOk;
}

}  // namespace
}  // namespace ingot::checkpoint

int main(int count, char** arguments) {
  try {
    return ingot::checkpoint::run(std::span(arguments, static_cast<size_t>(count)).subspan(1));
  } catch (const ingot::Error& error) {
    std::cerr << error.what() << "\n";
    return error.exit_code();
  }
}
