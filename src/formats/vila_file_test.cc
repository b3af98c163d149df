// SPDX-License-Identifier: Apache-2.0
#include "formats/vila_file.h"

#include <cstring>
#include <fstream>

#include <gtest/gtest.h>
#include <zlib.h>

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
    Tensor weight = Tensor::empty(DType::f32, {2, 4});
    for (int64_t i = 0; i < weight.numel(); ++i)
      weight.data<float>()[i] = 0.5F * static_cast<float>(i);
    package_.parts["llm"].emplace("w", weight);
    package_.parts[""].emplace("none", Tensor::zeros(DType::u8, {0, 2}));
    package_.files = {{"config.json", "{}"}, {"llm/empty", ""}};
    package_.quantised["llm"].emplace("q4", quantised(pack(small_codes())));
    package_.quantised["llm"].emplace("q8", quantised(quantise_rows_8bit(weight, 4)));
    write_vila(path_, package_);
  }

  static Q4Matrix small_codes() {
    Q4Matrix codes = Q4Matrix::zeros(3, 8, 8);
    codes.set_code(2, 5, 11);
    codes.scales.values<float>()[2] = 0.25F;
    codes.offsets.values<float>()[2] = -1;
    return codes;
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
    for (const char* name : {"q4", "q8"}) {
      const PackedMatrix matrix = package.quantised.at("llm").at(name).pack();
      const PackedMatrix expected = package_.quantised["llm"].at(name).pack();
      EXPECT_EQ(matrix.has_offsets, expected.has_offsets) << "byte " << at;
      EXPECT_EQ(compare(dequantise(matrix), dequantise(expected)).max_abs, 0) << "byte " << at;
    }
  }

  /// Makes the header's checksum fit a header that was changed in place.
  static void rewrite_checksum(std::string& bytes) {
    uint64_t place = 0;
    std::memcpy(&place, bytes.data() + 24, sizeof(place));
    const auto* header = reinterpret_cast<const Bytef*>(bytes.data() + place);
    const auto sum = static_cast<uint32_t>(::crc32_z(0, header, bytes.size() - place));
    std::memcpy(bytes.data() + 12, &sum, sizeof(sum));
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

TEST_F(VilaFile, PackedMatricesAreAlignedViewsOfTheMapReadyToRun) {
  const ModelPackage package = read_vila(path_);
  const QuantisedMatrix& matrix = package.quantised.at("llm").at("q4");
  EXPECT_EQ(matrix.text(), "[3, 8] in 4 bits by 8");
  const PackedMatrix first = matrix.pack();
  EXPECT_EQ(first.data.raw(), matrix.pack().data.raw()) << "no copy";
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first.data.raw()) % 64, 0U);
  EXPECT_EQ(dequantise(first).values<float>()[2 * 8 + 5], 0.25F * 11 - 1);
}

TEST_F(VilaFile, SaysWhetherCodesOf8BitsAreNarrow) {
  const Tensor weight = package_.parts["llm"].at("w");
  package_.quantised["llm"].emplace("narrow", quantised(quantise_rows_narrow(weight, 4)));
  write_vila(path_, package_);
  const ModelPackage package = read_vila(path_);
  const PackedMatrix narrow = package.quantised.at("llm").at("narrow").pack();
  EXPECT_TRUE(narrow.is_narrow);
  EXPECT_EQ(narrow.code(1, 3), 128 + 64);
  EXPECT_FALSE(package.quantised.at("llm").at("q8").pack().is_narrow);
}

TEST_F(VilaFile, FilesThatDoNotSayWhetherCodesAreNarrowAreRead) {
  std::string bytes = read_file(path_);
  const std::string said = R"("is_narrow":false)";
  for (size_t at = bytes.find(said); at != std::string::npos; at = bytes.find(said))
    bytes.replace(at, said.size(), R"("is_other" :false)");
  rewrite_checksum(bytes);
  write(bytes);
  expect_original(read_vila(path_), 0);
}

TEST_F(VilaFile, AWriterThatIsNotCommittedLeavesNothing) {
  { VilaWriter(folder_ / "half.vila").add_file("config.json", "{}"); }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "half.vila"));
}

TEST_F(VilaFile, RefusesMatricesThatNoKernelReads) {
  const auto refused = [&](const std::string& good, const std::string& bad) {
    std::string bytes = read_file(path_);
    const size_t at = bytes.rfind(good);
    ASSERT_NE(at, std::string::npos) << good;
    bytes.replace(at, good.size(), bad);
    rewrite_checksum(bytes);
    write(bytes);
    test::expect_error(ErrorCode::invalid_model, "\"q", [&] { read_vila(path_); });
    write_vila(path_, package_);
  };
  refused(R"("bits":4)", R"("bits":5)");
  refused(R"("group":8)", R"("group":3)");
  refused(R"("in":8)", R"("in":0)");
  refused(R"("in":8)", R"("in":9)");
  refused(R"("in":8,"is_narrow":false)", R"("in":8,"is_narrow":true )");
  refused(R"("has_offsets":false,"in":4)", R"("has_offsets":true ,"in":4)");
}

TEST_F(VilaFile, RefusesAMemberThatIsNotAligned) {
  std::string bytes = read_file(path_);
  const size_t number = bytes.rfind("\"offset\":") + std::string("\"offset\":").size();
  const size_t end = bytes.find_first_not_of("0123456789", number);
  bytes[end - 1] = '1';  // no multiple of 64 ends so
  rewrite_checksum(bytes);
  write(bytes);
  test::expect_error(ErrorCode::invalid_model, "at a multiple of 64", [&] { read_vila(path_); });
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
  bytes[bytes.find(std::string(3, '\0') + '\x3f')] ^= 1;  // in 0.5F
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
