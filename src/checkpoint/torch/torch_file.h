#pragma once

#include <map>
#include <string>

#include "checkpoint/torch/torch_contents.h"
#include "checkpoint/weight_file.h"
#include "core/file.h"

namespace ingot::checkpoint {

/// A mapped file of torch.save that holds a state dict (pytorch_model.bin), read without running anything in it: a
/// restricted unpickler of our own. Checked whole when opened: every tensor lies in its storage, every storage is as
/// long as its record, all tensors together are not much larger than the file. Throws DataError in one line.
class TorchFile : public WeightFile {
 public:
  explicit TorchFile(const std::filesystem::path& file);
  const std::filesystem::path& path() const override { return file_.path(); }
  std::vector<TensorInfo> tensors() const override;
  bool contains(const std::string& name) const override { return by_name_.contains(name); }
  std::optional<std::map<std::string, std::string>> metadata() const override { return {}; }
  at::Tensor load(const std::string& name) const override;
  at::Tensor load_rows(const std::string& name, int64_t first, int64_t count) const override;

 private:
  void add_tensor(const PickleValue& name, const PickleValue& value);
  ByteRange storage_of(const std::string& name, const TorchTensor& tensor) const;
  MappedFile file_;
  TorchContents contents_;
  std::map<std::string, const TorchTensor*> by_name_;
};

}  // namespace ingot::checkpoint
