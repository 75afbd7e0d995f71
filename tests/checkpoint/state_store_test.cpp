#include <ATen/ATen.h>

#include "checkpoint/manifest.h"
#include "checkpoint/state_reader.h"
#include "checkpoint/state_writer.h"
#include "checkpoint/support.h"
#include "core/file.h"
#include "core/sha256.h"
#include "temporary_folder.h"

namespace ingot::checkpoint {
namespace {
namespace fs = std::filesystem;

const Shape kShape{6, 8};
const std::vector<Slice> kCut{{{0, 0}, {4, 3}}, {{0, 3}, {4, 5}}, {{4, 0}, {2, 8}}};  // three boxes of [6, 8]

at::Tensor whole() { return at::arange(48, at::kFloat).view(kShape); }

at::Tensor part(const Slice& slice) {
  return whole().narrow(0, slice.offset[0], slice.extent[0]).narrow(1, slice.offset[1], slice.extent[1]).contiguous();
}

std::string_view bytes_of(const at::Tensor& value) { return {static_cast<const char*>(value.const_data_ptr()), value.nbytes()}; }

std::vector<StatePiece> pieces_of(const std::vector<Slice>& cut) {
  std::vector<StatePiece> pieces;
  for (const auto& slice : cut) pieces.push_back({"w", DType::kF32, kShape, slice});
  return pieces;
}

/// A store of one tensor in three slices, put in another order than announced, each in a file of its own.
void write_slices(const fs::path& folder) {
  StateWriter store(folder, pieces_of(kCut), 64);
  for (const size_t i : {2, 0, 1}) store.put("w", kCut[i], bytes_of(part(kCut[i])));
  write_file(folder / "manifest.json", store.manifest(9, {{"note", "x"}}));
}

/// Writes a manifest again, changed, with the sha256 that it then must have.
void change_manifest(const fs::path& folder, const std::function<void(Json&)>& change) {
  Json document = read_json(folder / "manifest.json");
  document.erase("sha256");
  change(document);
  const std::string text = document.dump();
  document["sha256"] = sha256_hex(std::as_bytes(std::span(text)));
  put_file(folder / "manifest.json", document.dump());
}

void expect_manifest_refused(const std::function<void(Json&)>& change, std::string_view part) {
  const TemporaryFolder folder;
  write_slices(folder.path());
  change_manifest(folder.path(), change);
  expect_data_error([&] { StateReader store(folder.path()); }, part);
}

TEST(StateStore, ReadsAnySliceHoweverTheTensorWasCut) {
  const TemporaryFolder folder;
  write_slices(folder.path());
  const StateReader store(folder.path());
  EXPECT_EQ(store.step(), 9);
  EXPECT_EQ(store.state()["note"], "x");
  EXPECT_TRUE(at::equal(store.read("w"), whole()));
  for (const Slice& slice : {Slice{{0, 0}, {6, 1}}, Slice{{3, 2}, {2, 4}}, Slice{{5, 7}, {1, 1}}, Slice{{2, 0}, {0, 8}}})
    EXPECT_TRUE(at::equal(store.read("w", slice), part(slice))) << to_string(slice);
  EXPECT_TRUE(fs::exists(folder / "state-00003-of-00003.safetensors"));
}

TEST(StateStore, ReadsIntoATensorThatIsThere) {
  const TemporaryFolder folder;
  write_slices(folder.path());
  auto into = at::zeros(kShape);
  StateReader(folder.path()).read_into("w", into);
  EXPECT_TRUE(at::equal(into, whole()));
}

TEST(StateStore, KeepsScalarsAndEmptyTensors) {
  const TemporaryFolder folder;
  StateWriter store(folder.path(), {{"scalar", DType::kI64, {}, {}}, {"empty", DType::kF32, {0, 4}, whole_of({0, 4})}}, 64);
  const auto seven = at::scalar_tensor(7, at::kLong);
  store.put("scalar", {}, bytes_of(seven));
  store.put("empty", whole_of({0, 4}), {});
  write_file(folder / "manifest.json", store.manifest(1, nullptr));
  const StateReader reader(folder.path());
  EXPECT_TRUE(at::equal(reader.read("scalar"), seven));
  EXPECT_EQ(reader.read("empty").sizes(), (at::IntArrayRef{0, 4}));
}

TEST(StateStore, NamesAnAbsentTensorAndASliceBeyondTheShape) {
  const TemporaryFolder folder;
  write_slices(folder.path());
  const StateReader store(folder.path());
  EXPECT_FALSE(store.contains("v"));
  expect_data_error([&] { store.read("v"); }, "tensor \"v\": is not there");
  expect_data_error([&] { store.read("w", {{0, 7}, {1, 2}}); }, "found shape [6, 8], wanted one that holds [0:1, 7:9]");
}

TEST(StateStore, RefusesPiecesThatWereNotAnnouncedOrDoNotCover) {
  const TemporaryFolder folder;
  EXPECT_THROW(StateWriter(folder.path(), pieces_of({kCut[0], kCut[1]}), 64), std::logic_error);
  EXPECT_THROW(StateWriter(folder.path(), pieces_of({kCut[0], kCut[0]}), 64), std::logic_error);
  StateWriter store(folder.path(), pieces_of(kCut), 64);
  EXPECT_THROW(store.put("w", {{0, 0}, {1, 1}}, "1234"), std::logic_error);
  EXPECT_THROW(store.put("w", kCut[0], "1234"), std::logic_error);
  EXPECT_THROW(store.manifest(1, nullptr), std::logic_error);
}

TEST(StateStore, RefusesSlicesThatOverlapLeaveGapsOrReachBeyond) {
  const auto piece = [](Json& document, size_t i) -> Json& { return document["tensors"][0]["pieces"][i]; };
  expect_manifest_refused([&](Json& d) { piece(d, 1)["offset"] = {0, 2}; },
                 "manifest.json: tensor \"w\": tensors[0].pieces[1]: found [0:4, 2:7], wanted no overlap with [0:4, 0:3] of [0]");
  expect_manifest_refused([&](Json& d) { d["tensors"][0]["pieces"].erase(2); }, "tensors[0].pieces: found 32 elements in all pieces, wanted 48");
  expect_manifest_refused([&](Json& d) { piece(d, 2)["extent"] = {3, 8}; }, "tensors[0].pieces[2]: found offset [4, 0] and extent [3, 8], wanted a slice within [6, 8]");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["offset"] = {-1, 0}; }, "wanted a slice within");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["offset"] = {INT64_MAX, 0}, piece(d, 0)["extent"] = {INT64_MAX, 3}; }, "wanted a slice within");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["extent"] = {4}; }, "wanted a slice within");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["extent"] = {0, 3}; }, "found extent [0, 3], wanted 1 or more in each dim");
  expect_manifest_refused([&](Json& d) { d["tensors"][0]["shape"] = {INT64_MAX, 8}; }, "whose product is below 2^63");
  expect_manifest_refused([&](Json& d) { d["tensors"][0]["pieces"] = Json::array(); }, "found 0 pieces");
}

TEST(StateStore, RefusesWhatIsNotSoInItsFile) {
  const auto piece = [](Json& document, size_t i) -> Json& { return document["tensors"][0]["pieces"][i]; };
  expect_manifest_refused([&](Json& d) { piece(d, 0)["file"] = "state-00001-of-00003.safetensors"; }, "tensor \"w[0:4, 0:3]\" is not so in");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["file"] = "other"; }, "is not so in \"other\"");
  expect_manifest_refused([&](Json& d) { d["tensors"][0]["dtype"] = "I32"; }, "is not so in");
  expect_manifest_refused([&](Json& d) { piece(d, 0)["xxh3"] = "0123"; }, "state-00002-of-00003.safetensors: digest of tensor \"w[0:4, 0:3]\" is ");
  expect_manifest_refused([&](Json& d) { d["files"]["state-00002-of-00003.safetensors"]["header_xxh3"] = ""; }, "digest of the header is ");
  expect_manifest_refused([&](Json& d) { d["files"]["state-00002-of-00003.safetensors"]["size"] = 7; }, "bytes, wanted 7");
  expect_manifest_refused([&](Json& d) { d["tensors"].push_back(d["tensors"][0]); }, "tensor \"w\": is there twice");
  expect_manifest_refused([&](Json& d) { d["version"] = 3; }, "version 3, wanted ingot-checkpoint version 1 or 2");
}

}  // namespace
}  // namespace ingot::checkpoint
