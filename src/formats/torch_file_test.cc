// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_file.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/weight_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "support/torch_program.h"
#include "support/zip_builder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const fs::path kConformance = fs::path(VILA_SOURCE_DIR) / "../shared/conformance";

using TensorProgram = test::TorchTensorProgram;
using test::pickled_numbers;
using test::pickled_text;

class TorchFileTest : public testing::Test {
 protected:
  /// The bytes of a file whose tree is `program` and whose only storage is `data`.
  static std::string file_of(const std::string& program, const std::string& data,
                             const std::string& folder = "archive/",
                             const test::ZipForm& form = {}) {
    const std::vector<std::pair<std::string, std::string>> members = {
        {folder + "data.pkl", "\x80\x02" + program + "."},
        {folder + "byteorder", "little"},
        {folder + "data/0", data}};
    return test::build_zip(members, form);
  }

  static std::string floats(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
  }

  /// Not by write_file(), which waits for the disk: too slow for thousands of files.
  TorchFile read(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return read_torch_file(path_);
  }

  void expect_refused(const std::string& bytes, const std::string& part) {
    test::expect_error(ErrorCode::invalid_model, part, [&] { read(bytes); });
  }

  void expect_refused(const TensorProgram& program, const std::string& part) {
    expect_refused(file_of(program.bytes(), six_), part);
  }

  test::TemporaryFolder folder_;
  fs::path path_ = folder_ / "x.bin";
  std::string six_ = floats({0, 1, 2, 3, 4, 5});
};

TEST_F(TorchFileTest, ReadsADictOfTensorsOfBothZipFormsAndAnyFolderName) {
  const std::string program = "}" + pickled_text("w") + TensorProgram{}.bytes() + "s";
  for (const std::string folder : {"archive/", "pytorch_model-00001/", ""}) {
    for (const bool is_zip64 : {false, true}) {
      const TorchFile file = read(file_of(program, six_, folder, {.is_zip64 = is_zip64}));
      ASSERT_EQ(file.tensors.size(), 1U);
      const Tensor& tensor = file.tensors.at("w");
      EXPECT_EQ(tensor.shape(), Shape({2, 3}));
      EXPECT_EQ(tensor.values<float>()[5], 5);
    }
  }
}

TEST_F(TorchFileTest, ReadsParametersAndNestedContainersAndLeavesNumbersOut) {
  const std::string parameter =
      "ctorch._utils\n_rebuild_parameter\n(" + TensorProgram{}.bytes() + "\x88}tR";
  const TorchFile file =
      read(file_of("}(" + pickled_text("scale") + "](" + pickled_text("norm") + parameter +
                       "\x86"
                       "K\x01"
                       "e" +
                       pickled_text("lr") + "K\x05u",
                   six_));
  EXPECT_EQ(file.tensors.size(), 1U);
  EXPECT_TRUE(file.tensors.contains("scale.0.1"));
  EXPECT_EQ(file.texts.at("scale.0.0"), "norm");
}

TEST_F(TorchFileTest, CutsViewsByOffsetAndStrides) {
  const TensorProgram columns{.shape = {3, 2}, .strides = {1, 3}};
  const Tensor transposed = read(file_of(columns.bytes(), six_)).tensors.at("");
  const auto values = transposed.values<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()),
            (std::vector<float>{0, 3, 1, 4, 2, 5}));
  const TensorProgram last{.offset = 4, .shape = {2}, .strides = {1}};
  EXPECT_EQ(read(file_of(last.bytes(), six_)).tensors.at("").values<float>()[0], 4);
  const TensorProgram none{.shape = {0, 3}, .strides = {3, 1}};
  EXPECT_EQ(read(file_of(none.bytes(), six_)).tensors.at("").numel(), 0);
}

TEST_F(TorchFileTest, ViewsAlignedTensorsAndCopiesOthers) {
  const std::string file = file_of(TensorProgram{}.bytes(), six_, "a/", {.is_aligned = false});
  EXPECT_EQ(read(file).tensors.at("").values<float>()[1], 1);
}

TEST_F(TorchFileTest, RefusesTensorsBeyondTheirStorage) {
  expect_refused(TensorProgram{.offset = 1}, "inside the 6 elements");
  expect_refused(TensorProgram{.shape = {7}, .strides = {1}}, "inside the 6 elements");
  expect_refused(TensorProgram{.shape = {2}, .strides = {6}}, "inside the 6 elements");
  expect_refused(TensorProgram{.shape = {100, 100}, .strides = {0, 0}}, "inside the 6 elements");
  expect_refused(TensorProgram{.shape = {2, 3}, .strides = {1}}, "as many strides");
  expect_refused(TensorProgram{.shape = {1, 1, 1, 1, 1, 1, 1}, .strides = {1, 1, 1, 1, 1, 1, 1}},
                 "at most 6");
  expect_refused(TensorProgram{.numel = 7}, "7 elements");
  expect_refused(TensorProgram{.type = "HalfStorage"}, "found 24 bytes");
  expect_refused(TensorProgram{.key = "1"}, "data/1");
}

TEST_F(TorchFileTest, RefusesHugeExtentsWithoutOverflow) {
  const std::string huge = "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"s;
  const std::string cut = "K" + std::string(1, '\0') + "(" + huge + huge + "t(" + huge + huge + "t";
  std::string program = TensorProgram{}.bytes();
  const std::string plain = "K"s + '\0' + pickled_numbers({2, 3}) + pickled_numbers({3, 1});
  program.replace(program.find(plain), plain.size(), cut);
  expect_refused(file_of(program, six_), "inside the 6 elements");
}

TEST_F(TorchFileTest, RefusesOtherGlobalsAndByteOrders) {
  expect_refused(file_of("cos\nsystem\n" + pickled_text("touch canary") + "\x85R", six_),
                 "\"os.system\"");
  EXPECT_FALSE(fs::exists("canary")) << "the command of the pickle ran";
  expect_refused(file_of("ctorch\nload\n" + pickled_text("x") + "\x85R", six_), "\"torch.load\"");
  expect_refused(file_of("ctorch\nFloatStorage\n", six_), "a global");
  expect_refused(TensorProgram{.type = "QInt8Storage"}, "torch.QInt8Storage");
  std::string big = file_of(TensorProgram{}.bytes(), six_, "a/", {.has_checksums = false});
  big.replace(big.find("little"), 6, "bigger");
  expect_refused(big, "byte order");
}

TEST_F(TorchFileTest, RefusesCallsInPlaceOfTensors) {
  expect_refused(file_of("ctorch._utils\n_rebuild_tensor_v2\n)R", six_), "0 arguments");
  expect_refused(file_of("ctorch._utils\n_rebuild_parameter\n(NN}tR", six_), "_rebuild_parameter");
  expect_refused(file_of("ctorch\nFloatStorage\n)R", six_), "torch.FloatStorage");
}

TEST_F(TorchFileTest, BoundsNestingSharingAndSelfReference) {
  expect_refused(file_of("N" + std::string(100'000, '\x85'), six_), "nested");
  expect_refused(file_of("]q\x01h\x01"
                         "a",
                         six_),
                 "nested");
  // Each list holds the one before 200 times: 200^6 values to visit, were they not counted.
  std::string bomb = "]q"s + '\0';
  for (char level = 1; level <= 6; ++level) {
    bomb += "](";
    for (int i = 0; i < 200; ++i)
      bomb += "h"s + static_cast<char>(level - 1);
    bomb += "eq"s + level;
  }
  expect_refused(file_of(bomb, six_), "found more");
}

TEST_F(TorchFileTest, BoundsCopies) {
  std::string program = "](";
  const TensorProgram columns{.shape = {3, 2}, .strides = {1, 3}};
  program += columns.bytes() + "q\x01";
  for (int i = 0; i < 2000; ++i)
    program += "h\x01";
  expect_refused(file_of(program + "e", six_), "times the file's size");
}

TEST_F(TorchFileTest, SaysWhatToDoWithTheOlderForm) {
  expect_refused("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s,
                 "before PyTorch 1.6");
  expect_refused(std::string(257, 'x') + "ustar" + std::string(300, '\0'), "before PyTorch 1.6");
  expect_refused("hello", "another format");
  expect_refused("", "another format");
  expect_refused(test::build_zip(std::vector<std::pair<std::string, std::string>>{{"a", "b"}}),
                 "data.pkl");
}

TEST_F(TorchFileTest, EveryFlippedByteAndEveryLengthIsAnErrorOrTheSameAnswer) {
  const std::string whole = file_of("}" + pickled_text("w") + TensorProgram{}.bytes() + "s", six_);
  const Tensor expected = read(whole).tensors.at("w").to(DType::f32);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        const TorchFile file = read(damaged);
        ASSERT_EQ(file.tensors.size(), 1U) << "byte " << at;
        EXPECT_EQ(compare(file.tensors.begin()->second, expected).max_abs, 0) << "byte " << at;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_model) << error.what();
      }
    }
    EXPECT_THROW(read(whole.substr(0, at)), Error) << "cut to " << at;
  }
}

TEST_F(TorchFileTest, ReadsThePublishedShardsAsTheSafetensorsOfTheSameWeights) {
  const fs::path folder = kConformance / "reference/vila-7b-tiny";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  TensorMap expected;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "checkpoint")) {
    if (entry.path().extension() == ".safetensors") expected.merge(read_weight_file(entry.path()));
  }
  int64_t compared = 0;
  for (int shard = 1; shard <= 3; ++shard) {
    const fs::path path =
        folder / fmt::format("checkpoint-bin/pytorch_model-0000{}-of-00003.bin", shard);
    for (const auto& [name, tensor] : read_weight_file(path)) {
      const auto other = expected.find(name);
      if (other == expected.end()) continue;
      EXPECT_EQ(tensor.dtype(), DType::bf16);
      EXPECT_EQ(compare(tensor, other->second).max_abs, 0) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 34);
}

TEST_F(TorchFileTest, ReadsAnAwqSearchResult) {
  const fs::path path = kConformance / "awq/file/awq-results-w4-g128.pt";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is absent";
  const TorchFile file = read_torch_file(path);
  EXPECT_EQ(file.texts.at("scale.0.0"), "model.layers.0.input_layernorm");
  EXPECT_EQ(file.texts.at("scale.0.1.0"), "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(file.tensors.at("scale.0.2").shape(), Shape({256}));
  EXPECT_EQ(file.tensors.at("clip.0.1").rank(), 3);
}

}  // namespace
}  // namespace vila::formats
