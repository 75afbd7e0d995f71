#include "checkpoint/torch/torch_file.h"

#include <ATen/ATen.h>

#include <chrono>
#include <random>

#include "checkpoint/support.h"
#include "checkpoint/torch/strided_copy.h"
#include "checkpoint/torch_builder.h"
#include "core/error.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {

at::Tensor load_one(const std::string& bytes, const std::string& name = "a") {
  const TemporaryFolder folder;
  put_file(folder / "pytorch_model.bin", bytes);
  return TorchFile(folder / "pytorch_model.bin").load(name);
}

void expect_torch_refused(const std::string& bytes, std::string_view part) {
  expect_data_error([&] { load_one(bytes); }, part);
}

/// In the zip and in the legacy form.
void expect_pickle_refused(const std::string& pickle, std::string_view part) {
  expect_torch_refused(torch_zip(pickle), part);
  expect_torch_refused(torch_legacy(pickle), part);
}

void expect_zip_refused(const ZipPart& added, std::string_view part) {
  auto parts = torch_parts(state_dict({{}}));
  parts.push_back(added);
  expect_torch_refused(zip_bytes(parts), part);
}

std::string times(const std::string& text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(TorchFile, ReadsBothForms) {
  const auto wanted = at::arange(6, at::kFloat).view({2, 3});
  EXPECT_TRUE(at::equal(load_one(torch_zip(state_dict({{}}))), wanted));
  EXPECT_TRUE(at::equal(load_one(torch_legacy(state_dict({{}}))), wanted));
  EXPECT_TRUE(at::equal(load_one(zip_bytes(torch_parts(state_dict({{}})), {.in64 = true})), wanted));
}

TEST(TorchFile, HonoursViewsOfOneStorage) {
  const auto base = at::arange(6, at::kFloat).view({2, 3});
  const PickledTensor transposed{.shape = {3, 2}, .strides = {1, 3}}, column{.offset = 1, .shape = {2}, .strides = {3}};
  const PickledTensor repeated{.offset = 5, .shape = {4, 1}, .strides = {0, INT64_MAX}},
      scalar{.offset = 2, .shape = {}, .strides = {}};
  for (const auto& form : {torch_zip, +[](const std::string& pickle) { return torch_legacy(pickle); }}) {
    const std::string bytes = form(state_dict({transposed, column, repeated, scalar}));
    EXPECT_TRUE(at::equal(load_one(bytes, "a"), base.t()));
    EXPECT_TRUE(at::equal(load_one(bytes, "b"), base.select(1, 1)));
    EXPECT_TRUE(at::equal(load_one(bytes, "c"), at::full({4, 1}, 5.f)));
    EXPECT_TRUE(at::equal(load_one(bytes, "d"), at::scalar_tensor(2.f)));
  }
}

TEST(TorchFile, CopiesEveryViewAsATensorDoes) {
  at::manual_seed(4);
  const auto base = at::arange(360, at::kInt).view({3, 4, 5, 6});
  for (const auto& view : {base.permute({3, 1, 0, 2}), base.slice(2, 1, 5, 2), base.transpose(0, 1).slice(3, 2, 4),
                           base.select(1, 2), base.expand({2, 3, 4, 5, 6}), base.narrow(0, 1, 1)}) {
    auto copy = at::empty(view.sizes(), at::kInt);
    const Shape shape = view.sizes().vec(), strides = view.strides().vec();
    copy_strided(static_cast<const std::byte*>(view.const_data_ptr()), {shape, strides, 4},
                 static_cast<std::byte*>(copy.mutable_data_ptr()));
    EXPECT_TRUE(at::equal(copy, view));
  }
}

TEST(TorchFile, RefusesAForeignFunctionByName) {
  const std::string call = pickled_tuple({pickled_text("touch /tmp/harmed")}) + "R";
  expect_pickle_refused(pickle_of(pickled_global("posix", "system") + call), "names posix.system");
  expect_pickle_refused(pickle_of(pickled_text("builtins") + pickled_text("eval") + "\x93" + call),
                        "names builtins.eval");
  expect_pickle_refused(pickle_of(pickled_global("torch", "FloatTensor")), "names torch.FloatTensor");
  expect_pickle_refused(pickle_of("c" + std::string(5000, 'x')), "a module's name without an end");
  expect_pickle_refused(pickle_of("i" + call), "opcode 0x69");
}

TEST(TorchFile, RefusesATensorOutsideItsStorage) {
  constexpr int64_t kHuge = INT64_MAX;
  for (const auto& lie :
       {PickledTensor{.shape = {2, 4}}, PickledTensor{.offset = 1}, PickledTensor{.strides = {4, 1}},
        PickledTensor{.shape = {kHuge, kHuge}}, PickledTensor{.shape = {3, 3}, .strides = {kHuge, 1}},
        PickledTensor{.offset = kHuge, .shape = {2}, .strides = {1}},
        PickledTensor{.offset = 7, .shape = {0}, .strides = {1}}, PickledTensor{.shape = {kHuge / 2}, .strides = {0}}})
    expect_pickle_refused(state_dict({lie}), "does not lie in its storage");
  expect_pickle_refused(state_dict({{.shape = {-2, 3}}}), "a tensor's shape is -2");
  expect_pickle_refused(state_dict({{.strides = {-3, 1}}}), "a tensor's strides is -3");
  expect_pickle_refused(state_dict({{.offset = -1}}), "a tensor's offset is -1");
  expect_pickle_refused(state_dict({{.numel = -6}}), "elements of a storage is -6");
  expect_pickle_refused(state_dict({{.strides = {1}}}), "2 dims with 1 strides");
  expect_pickle_refused(state_dict({{.shape = std::vector<int64_t>(65, 1)}}), "65 dims, wanted at most 64");
}

TEST(TorchFile, RefusesAStorageThatIsNotAsLongAsItsRecord) {
  expect_torch_refused(torch_zip(state_dict({{.numel = 65535, .shape = {255, 9}}})), "storage of 65535 F32 has 24 bytes");
  expect_torch_refused(torch_zip(state_dict({{.type = "DoubleStorage"}})), "storage of 6 F64 has 24 bytes");
  expect_torch_refused(torch_zip(state_dict({{.numel = INT64_MAX}})), "has 24 bytes");
  expect_torch_refused(torch_zip(state_dict({{.key = "../../etc/passwd"}})), "is not in the file");
  expect_torch_refused(torch_legacy(state_dict({{.numel = 65535}})), "storage \"0\" of 6 elements");
  expect_torch_refused(torch_legacy(state_dict({{.numel = INT64_MAX}}), INT64_MAX), "the file to hold them");
  expect_torch_refused(torch_legacy(state_dict({{.numel = 7}}), 7), "the file to hold them");
  expect_torch_refused(torch_legacy(state_dict({{}, {.type = "IntStorage"}})), "is of two kinds");
  expect_torch_refused(torch_legacy(state_dict({{.key = "1"}})), "lists a storage that no tensor is in");
}

TEST(TorchFile, RefusesTensorsMuchLargerThanTheFile) {
  expect_pickle_refused(state_dict({{.shape = {1 << 30}, .strides = {0}}}), "more than 8 times");
}

TEST(TorchFile, BoundsMemoryAndDepth) {
  const std::string tuple1 = "\x85", memoize = "\x94";
  expect_pickle_refused(pickle_of(")" + times(tuple1, 5000)), "nested deeper than 1000");
  expect_pickle_refused(pickle_of(std::string(5000, '(')), "more than 1000 open marks");
  expect_pickle_refused(pickle_of(std::string(2 << 20, 'N')), "values on the stack");
  expect_pickle_refused(pickle_of("N" + std::string(2 << 20, memoize[0])), "values in the memo");
  expect_pickle_refused(pickle_of("(" + times("]0", 2)), "opcode 0x30");
  expect_pickle_refused(pickle_of("]" + times("]", 2 << 20)), "tuples, lists and dicts");
  expect_pickle_refused(pickle_of("]" + times("Na", 5 << 20)), "items in tuples, lists and dicts");
  expect_torch_refused(torch_zip(pickle_of("]\x94" + times(std::string("h\0a", 3), 2000))),
                 "nested deeper");  // a list in itself
}

TEST(TorchFile, RefusesAPickleThatIsNotOne) {
  expect_pickle_refused(pickle_of("R"), "no");
  expect_pickle_refused(pickle_of("t"), "up to a mark where none is");
  expect_pickle_refused(pickle_of("}Na"), "appends to what is no list");
  expect_pickle_refused(pickle_of("](NNu"), "sets items of what is no dict");
  expect_pickle_refused(pickle_of("}(Nu"), "a key and no value");
  expect_pickle_refused(pickle_of("NN"), "left on the stack");
  expect_pickle_refused(pickle_of("h\x07"), "takes memo 7");
  expect_pickle_refused(pickle_of("X\xff\xff\xff\xff"), "but");
  expect_pickle_refused(pickle_of("NN)b"), "attributes of what is no OrderedDict");
  expect_torch_refused(torch_zip(pickle_of("N")), "holds no dict of tensors");
  expect_torch_refused(torch_zip(pickle_of("}" + pickled_int(1) + "Ns")), "a key that is no text");
  expect_torch_refused(torch_zip(pickle_of("}" + pickled_text("epoch") + pickled_int(1) + "s")), "\"epoch\" is no tensor");
  expect_torch_refused(torch_zip("\x80\x07N."), "protocol 7");
}

TEST(TorchFile, RefusesZipFilesThatLie) {
  const auto parts = torch_parts(state_dict({{}}));
  expect_zip_refused({"archive/x", "1", 8}, "is compressed (method 8)");
  expect_zip_refused({"archive/x", "1", 0, 1}, "is encrypted");
  expect_zip_refused({"archive/version", "1"}, "stands twice");
  expect_zip_refused({"../x", "1"}, "no plain name");
  expect_zip_refused({"/etc/passwd", "1"}, "no plain name");
  expect_zip_refused({"archive\\x", "1"}, "no plain name");
  expect_zip_refused({"other/x", "1"}, "no common folder");
  expect_zip_refused({.name = "archive/x", .data = "1", .local_name = "archive/y"}, "another name in its header");
  expect_zip_refused({.name = "archive/x", .data = "1", .size_lie = 100}, "is larger than the file");
  expect_zip_refused({.name = "archive/x", .data = "1", .size_lie = -2}, "is larger than the file");
  expect_zip_refused({.name = "archive/x", .data = "1", .place_lie = 4000}, "begin after the directory");
  expect_zip_refused({.name = "archive/x", .data = "1", .place_lie = -64}, "has no header");
  expect_torch_refused(zip_bytes(parts, {.num_records_lie = 1}), "bytes are left");
  expect_torch_refused(zip_bytes(parts, {.num_records_lie = uint64_t(-1)}), "more than its number of records");
  expect_torch_refused(zip_bytes(parts, {.directory_lie = uint64_t(-1)}), "no record where");
  expect_torch_refused(zip_bytes(parts, {.directory_lie = 1}), "does not lie in the file");
  expect_torch_refused(zip_bytes(parts, {.directory_lie = 5000}), "does not lie in the file");
}

TEST(TorchFile, RefusesZip64FilesThatLie) {
  const auto parts = torch_parts(state_dict({{}}));
  const auto refused = [&](ZipForm form, std::string_view part) {
    form.in64 = true;
    expect_torch_refused(zip_bytes(parts, form), part);
  };
  refused({.num_records_lie = uint64_t{1} << 62}, "wanted one count of at most");
  refused({.num_records_lie = 3}, "bytes are left");
  refused({.directory_lie = uint64_t(-64)}, "no record where");
  refused({.directory_lie = uint64_t{1} << 63}, "does not lie in the file");
  refused({.locator_lie = uint64_t{1} << 63}, "its zip64 directory is said to lie");
  refused({.locator_lie = uint64_t(-8)}, "no zip64 directory where the locator says");
  auto lying = parts;
  lying[2].size_lie = INT64_MAX;
  expect_torch_refused(zip_bytes(lying, {.in64 = true}), "is larger than the file");
}

TEST(TorchFile, RefusesRecordsThatShareBytes) {
  auto parts = torch_parts(state_dict({{}}));
  parts.push_back(
      {"archive/x", zip_bytes({{"archive/y", "12345678"}}).substr(0, 72)});  // a header of y in the bytes of x
  parts.push_back({"archive/y", "12345678"});
  const std::string plain = zip_bytes(parts);
  EXPECT_NO_THROW(load_one(plain));
  const size_t inner = plain.find("archive/y"), real = plain.find("archive/y", inner + 1);
  parts.back().place_lie = static_cast<int64_t>(inner) - static_cast<int64_t>(real);
  expect_torch_refused(zip_bytes(parts), "overlaps record");
}

TEST(TorchFile, NamesOtherKindsOfFiles) {
  const auto with = [](const ZipPart& part) {
    auto parts = torch_parts(state_dict({{}}));
    parts.push_back(part);
    return zip_bytes(parts);
  };
  expect_torch_refused(with({"archive/constants.pkl", "x"}), "TorchScript");
  expect_torch_refused(with({"archive/code/__torch__.py", "x"}), "TorchScript");
  expect_torch_refused("<!DOCTYPE html><html>not found</html>", "HTML");
  expect_torch_refused("\r\n  <html>", "HTML");
  expect_torch_refused(std::string(257, '\0') + "ustar" + std::string(300, '\0'), "a tar file");
  expect_torch_refused("version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull");
  expect_torch_refused("", "an empty file");
  expect_torch_refused("GGUF\x03", "begins with \"GGUF");
  expect_torch_refused(pickle_of(pickled_int(1)), "wrong magic number");
  expect_torch_refused(zip_bytes({{"archive/version", "3"}}), "without data.pkl");
  expect_torch_refused(zip_bytes({{"data.pkl", "3"}}), "no common folder");
  auto big_endian = torch_parts(state_dict({{}}));
  big_endian[1].data = "big";
  expect_torch_refused(zip_bytes(big_endian), "byte order \"big\"");
}

TEST(TorchFile, RefusesEveryTruncation) {
  for (const std::string& whole : {torch_zip(state_dict({{}, {}})), torch_legacy(state_dict({{}, {}})),
                                   zip_bytes(torch_parts(state_dict({{}})), {.in64 = true})})
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_THROW(read_torch_contents(std::as_bytes(std::span(whole).first(size)), "x"), DataError)
          << size << " of " << whole.size();
}

/// Random damage: a file is read or refused in one line, and never does more.
TEST(TorchFile, SurvivesDamage) {
  std::mt19937 random(11);
  const std::string wholes[]{torch_zip(state_dict({{}, {.shape = {3, 2}, .strides = {1, 3}}})),
                             torch_legacy(state_dict({{}, {}})),
                             zip_bytes(torch_parts(state_dict({{}})), {.in64 = true})};
  const TemporaryFolder folder;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  int read = 0, refused = 0;
  for (int i = 0; i < 3000 && std::chrono::steady_clock::now() < end; ++i) {
    std::string bytes = wholes[i % 3];
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    put_file(folder / "x.bin", bytes);
    try {
      const TorchFile file(folder / "x.bin");
      for (const auto& tensor : file.tensors()) file.load(tensor.name);
      ++read;
    } catch (const DataError& error) {
      ++refused;
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace ingot::checkpoint
