// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_write.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "base/file.h"
#include "formats/torch_file.h"
#include "formats/zip_directory.h"
#include "formats/zip_writer.h"
#include "support/process.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

Tensor counting(DType dtype, const Shape& shape) {
  Tensor values = Tensor::empty(DType::f32, shape);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data<float>()[i] = static_cast<float>(i);
  return values.to(dtype);
}

/// Nested as the search results of llm-awq are.
TorchValue nested() {
  return TorchValue::dict(
      {{"scale",
        TorchValue::list({TorchValue::tuple({TorchValue::of(std::string("op")),
                                             TorchValue::tuple({TorchValue::of(std::string("a")),
                                                                TorchValue::of(std::string("b"))}),
                                             TorchValue::of(counting(DType::f32, {300}))})})},
       {"half", TorchValue::of(counting(DType::f16, {2, 3, 1}))},
       {"empty", TorchValue::of(Tensor::empty(DType::f32, {0, 4}))},
       {"wide", TorchValue::of(counting(DType::bf16, {70, 5}))}});
}

class TorchWrite : public testing::Test {
 private:
  test::TemporaryFolder folder_;

 protected:
  std::filesystem::path path_ = folder_ / "values.pt";
};

TEST_F(TorchWrite, OurReaderReadsItBack) {
  write_torch_file(path_, nested());
  const TorchFile file = read_torch_file(path_);
  EXPECT_EQ(file.texts.at("scale.0.0"), "op");
  EXPECT_EQ(file.texts.at("scale.0.1.1"), "b");
  ASSERT_EQ(file.tensors.size(), 4U);
  EXPECT_EQ(compare(file.tensors.at("scale.0.2"), counting(DType::f32, {300})).max_abs, 0);
  EXPECT_EQ(compare(file.tensors.at("half"), counting(DType::f16, {2, 3, 1})).max_abs, 0);
  EXPECT_EQ(file.tensors.at("wide").dtype(), DType::bf16);
  EXPECT_EQ(file.tensors.at("empty").shape(), Shape({0, 4}));
}

TEST_F(TorchWrite, EqualValuesGiveEqualBytes) {
  write_torch_file(path_, nested());
  const std::string first = read_file(path_);
  write_torch_file(path_, nested());
  EXPECT_EQ(first, read_file(path_));
}

TEST_F(TorchWrite, DataStandAtMultiplesOf64Bytes) {
  write_torch_file(path_, nested());
  const MappedFile file(path_);
  for (const auto& [name, entry] : read_zip_directory(file.bytes(), "test"))
    EXPECT_EQ(entry.offset % 64, 0U) << name;
}

// PyTorch itself, where a Python that has it is named.
TEST_F(TorchWrite, PyTorchReadsItWithWeightsOnly) {
  const char* python = std::getenv("VILA_TORCH_PYTHON");
  if (python == nullptr) GTEST_SKIP() << "VILA_TORCH_PYTHON names no Python with torch";
  write_torch_file(path_, nested());
  const std::string program =
      "import sys, torch\n"
      "d = torch.load(sys.argv[1], weights_only=True)\n"
      "assert list(d) == ['scale', 'half', 'empty', 'wide'], list(d)\n"
      "name, linears, scale = d['scale'][0]\n"
      "assert (name, linears) == ('op', ('a', 'b'))\n"
      "assert torch.equal(scale, torch.arange(300.))\n"
      "assert d['half'].dtype == torch.float16 and d['half'].shape == (2, 3, 1)\n"
      "assert d['wide'].dtype == torch.bfloat16 and d['empty'].shape == (0, 4)\n"
      "assert torch.equal(d['wide'].float(), torch.arange(350.).bfloat16().float().view(70, 5))\n";
  const test::ProcessResult result = test::run_process({python, "-c", program, path_.string()});
  EXPECT_EQ(result.exit_code, 0) << result.error;
}

TEST_F(TorchWrite, MoreMembersThanTheShortFormCounts) {
  constexpr int kMembers = 70000;
  ZipWriter zip(path_);
  for (int i = 0; i < kMembers; ++i)
    zip.add(std::to_string(i), std::string_view("x"));
  zip.finish();
  const MappedFile file(path_);
  const ZipDirectory directory = read_zip_directory(file.bytes(), "test");
  EXPECT_EQ(directory.size(), size_t{kMembers});
  EXPECT_EQ(directory.at("69999").size, 1U);
}

}  // namespace
}  // namespace vila::formats
