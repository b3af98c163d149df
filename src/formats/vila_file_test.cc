// SPDX-License-Identifier: Apache-2.0
#include "formats/vila_file.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

class VilaFile : public testing::Test {
 protected:
  VilaFile() {
    Tensor weight = Tensor::empty(DType::f32, {2, 3});
    for (int64_t i = 0; i < 6; ++i)
      weight.data<float>()[i] = 0.5F * static_cast<float>(i);
    package_.parts["llm"].emplace("w", weight);
    package_.parts[""].emplace("none", Tensor::zeros(DType::u8, {0, 2}));
    package_.files = {{"config.json", "{}"}, {"llm/empty", ""}};
    write_vila(path_, package_);
  }

  void write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }

  void expect_original(const ModelPackage& package, size_t at) {
    EXPECT_EQ(package.files, package_.files) << "byte " << at;
    ASSERT_EQ(package.parts.size(), 2U) << "byte " << at;
    EXPECT_EQ(compare(package.parts.at("llm").at("w"), package_.parts["llm"].at("w")).max_abs, 0)
        << "byte " << at;
    EXPECT_EQ(package.parts.at("").at("none").shape(), Shape({0, 2}));
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "m.vila";
  ModelPackage package_;
};

TEST_F(VilaFile, KeepsPartsFilesAndValuesAsAlignedViews) {
  const ModelPackage package = read_vila(path_);
  expect_original(package, 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(package.parts.at("llm").at("w").raw()) % 64, 0U);
  check_vila(path_);
}

TEST_F(VilaFile, IsTheSameBytesEachTime) {
  const std::string first = read_file(path_);
  write_vila(path_, read_vila(path_));
  EXPECT_EQ(read_file(path_), first);
}

TEST_F(VilaFile, EveryFlippedByteAndEveryLengthIsAnErrorOrTheSameAnswer) {
  const std::string whole = read_file(path_);
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      write(damaged);
      try {
        expect_original(read_vila(path_), at);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_model) << error.what();
      }
    }
    write(whole.substr(0, at));
    EXPECT_THROW(read_vila(path_), Error) << "cut to " << at;
  }
}

TEST_F(VilaFile, SaysWhatIsDamaged) {
  std::string bytes = read_file(path_);
  bytes[bytes.size() - 64] ^= 1;
  write(bytes);
  test::expect_error(ErrorCode::invalid_model, "\"w\": expected checksum",
                     [&] { read_vila(path_); });
  write(read_file(path_).substr(0, bytes.size() - 1));
  test::expect_error(ErrorCode::invalid_model, "the file is cut", [&] { read_vila(path_); });
  write("GGUF");
  test::expect_error(ErrorCode::invalid_model, "another format", [&] { read_vila(path_); });
  test::expect_error(ErrorCode::not_found, "absent", [&] { read_vila(folder_ / "absent"); });
}

}  // namespace
}  // namespace vila::formats
