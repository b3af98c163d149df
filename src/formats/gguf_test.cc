// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/numeric.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

/// A GGUF file as it grows, by the format's own description.
struct Builder {
  std::string bytes = "GGUF";

  template <typename T>
  Builder& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }

  Builder& text(const std::string& value) {
    number<uint64_t>(value.size());
    bytes += value;
    return *this;
  }

  Builder& head(uint32_t version, uint64_t tensors, uint64_t values) {
    return number(version).number(tensors).number(values);
  }

  Builder& key(const std::string& name, uint32_t type) { return text(name).number(type); }

  /// A tensor of `extents`, the fastest first.
  Builder& tensor(const std::string& name, const std::vector<uint64_t>& extents, uint32_t type,
                  uint64_t offset) {
    text(name).number(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents)
      number(extent);
    return number(type).number(offset);
  }

  Builder& pad(size_t step = 32) {
    while (bytes.size() % step != 0)
      bytes += '\0';
    return *this;
  }
};

class Gguf : public testing::Test {
 protected:
  GgufFile read(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return read_gguf(path_);
  }

  void expect_refused(const Builder& builder, const std::string& part) {
    test::expect_error(ErrorCode::invalid_model, part, [&] { read(builder.bytes); });
  }

  static Builder small_file() {
    Builder file;
    file.head(3, 2, 3).key("general.architecture", 8).text("llama");
    file.key("list", 9).number(uint32_t{5}).number(uint64_t{2}).number(int32_t{-1}).number(7);
    file.key("eps", 6).number(0.5F);
    file.tensor("w", {3, 2}, 0, 0).tensor("q", {32}, 2, 32).pad();
    for (int i = 0; i < 6; ++i)
      file.number(static_cast<float>(i));
    file.pad().number(uint16_t{0x3c00});  // the scale 1
    for (int i = 0; i < 16; ++i)
      file.number(static_cast<uint8_t>(i | 0x80));
    return file;
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "x.gguf";
};

TEST_F(Gguf, ReadsMetadataAndTensors) {
  const GgufFile file = read(small_file().bytes);
  EXPECT_EQ(gguf_require<std::string>(file, "general.architecture"), "llama");
  EXPECT_EQ(gguf_require<std::vector<int64_t>>(file, "list"), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(gguf_require<double>(file, "eps"), 0.5);
  const Tensor plain = gguf_tensor(file, "w");
  EXPECT_EQ(plain.shape(), Shape({2, 3}));
  EXPECT_EQ(plain.values<float>()[5], 5);
  const Tensor quantised = gguf_tensor(file, "q");
  EXPECT_EQ(quantised.values<float>()[0], -8);
  EXPECT_EQ(quantised.values<float>()[15], 7);
  EXPECT_EQ(quantised.values<float>()[16], 0);
}

TEST_F(Gguf, ReadsTensorsAtEveryByte) {
  for (size_t shift = 0; shift < 4; ++shift) {
    const std::string name = "f" + std::string(shift, 'x');  // moves all that comes behind it
    Builder file;
    file.head(3, 3, 1).key("general.alignment", 4).number(uint32_t{1});
    file.tensor(name, {2}, 0, 0).tensor("h", {2}, 1, 9).tensor("q", {32}, 2, 13);
    file.number(1.5F).number(-2.0F).number(uint8_t{0});
    file.number(uint16_t{0x3c00}).number(uint16_t{0xc000});
    file.number(uint16_t{0x3c00});  // the scale 1
    for (int i = 0; i < 16; ++i)
      file.number(uint8_t{0x98});
    const GgufFile read_back = read(file.bytes);
    EXPECT_EQ(gguf_tensor(read_back, name).values<float>()[1], -2.0F) << shift;
    EXPECT_EQ(to_f32(gguf_tensor(read_back, "h").values<f16>()[1]), -2.0F) << shift;
    EXPECT_EQ(gguf_tensor(read_back, "q").values<float>()[31], 1.0F) << shift;
  }
}

TEST_F(Gguf, ReadsEveryKindOfValueAndVersionTwo) {
  Builder file;
  file.head(2, 0, 12).key("u8", 0).number(uint8_t{200}).key("i8", 1).number(int8_t{-3});
  file.key("u16", 2).number(uint16_t{60000}).key("i16", 3).number(int16_t{-4});
  file.key("u32", 4).number(uint32_t{4000000000U}).key("i32", 5).number(int32_t{-5});
  file.key("yes", 7).number(uint8_t{1}).key("u64", 10).number(uint64_t{1} << 62);
  file.key("i64", 11).number(int64_t{-6}).key("f64", 12).number(0.1);
  file.key("words", 9).number(uint32_t{8}).number(uint64_t{2}).text("a").text("");
  file.key("reals", 9).number(uint32_t{6}).number(uint64_t{1}).number(2.5F);
  const GgufFile read_file = read(file.bytes);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "u8"), 200);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "i8"), -3);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "u16"), 60000);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "i16"), -4);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "u32"), 4000000000);
  EXPECT_EQ(gguf_require<int64_t>(read_file, "i32"), -5);
  EXPECT_TRUE(gguf_require<bool>(read_file, "yes"));
  EXPECT_EQ(gguf_require<int64_t>(read_file, "u64"), int64_t{1} << 62);
  EXPECT_EQ(gguf_require<double>(read_file, "i64"), -6);
  EXPECT_EQ(gguf_require<double>(read_file, "f64"), 0.1);
  EXPECT_EQ(gguf_require<std::vector<std::string>>(read_file, "words")[0], "a");
  EXPECT_EQ(gguf_require<std::vector<double>>(read_file, "reals")[0], 2.5);
  EXPECT_EQ(gguf_get<int64_t>(read_file, "absent", 9), 9);
}

TEST_F(Gguf, NamesKeysThatAreAbsentOrOfAnotherKind) {
  const GgufFile file = read(small_file().bytes);
  test::expect_error(ErrorCode::invalid_model, "\"absent\"",
                     [&] { gguf_require<int64_t>(file, "absent"); });
  test::expect_error(ErrorCode::invalid_model, "expected an integer, found a number",
                     [&] { gguf_require<int64_t>(file, "eps"); });
  test::expect_error(ErrorCode::invalid_model, "\"absent\"", [&] { gguf_tensor(file, "absent"); });
}

TEST_F(Gguf, RefusesWrongHeadersAndValues) {
  expect_refused(Builder{.bytes = "GGML"}, "another format");
  expect_refused(Builder().head(1, 0, 0), "version 2 or 3, found 1");
  expect_refused(Builder().head(0x03000000, 0, 0), "big-endian");
  expect_refused(Builder().head(3, 0, 1).key("k", 13), "value type, found 13");
  expect_refused(Builder().head(3, 0, 1).key("k", 7).number(uint8_t{2}), "0 or 1");
  expect_refused(Builder().head(3, 0, 1).key("k", 10).number(~uint64_t{0}), "below 2^63");
  expect_refused(Builder().head(3, 0, 1).key("k", 9).number(uint32_t{9}).number(uint64_t{0}),
                 "element type 9");
  expect_refused(Builder().head(3, 0, 1).key("k", 9).number(uint32_t{4}).number(uint64_t{1} << 60),
                 "elements");
  expect_refused(
      Builder().head(3, 0, 2).key("k", 0).number(uint8_t{1}).key("k", 0).number(uint8_t{1}),
      "found two");
  expect_refused(Builder().head(3, 0, 1).key("general.alignment", 4).number(uint32_t{24}),
                 "power of two");
  expect_refused(Builder().head(3, 0, ~uint64_t{0}), "more bytes");
  expect_refused(Builder().head(3, ~uint64_t{0}, 0), "more bytes");
}

TEST_F(Gguf, RefusesTensorsThatDoNotFit) {
  const auto one = [](const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
    Builder file;
    file.head(3, 1, 0).tensor("t", extents, type, offset).pad();
    file.bytes += std::string(64, '\0');
    return file;
  };
  EXPECT_EQ(read(one({16}, 0, 0).bytes).tensors.size(), 1U);
  expect_refused(one({16}, 10, 0), "found type 10");
  expect_refused(one({33}, 2, 0), "whole blocks");
  expect_refused(one({0}, 0, 0), "whole blocks");
  expect_refused(one({16, 2}, 0, 0), "inside the file");
  expect_refused(one({1}, 0, 96), "inside the file");
  expect_refused(one({1}, 0, 4), "multiple of 32");
  expect_refused(one({1, 1, 1, 1, 1}, 0, 0), "at most 4");
  expect_refused(one({uint64_t{1} << 40, uint64_t{1} << 40}, 0, 0), "whole blocks");
  expect_refused(one({uint64_t{1} << 62}, 1, 0), "too large");
  expect_refused(one({~uint64_t{0}}, 0, 0), "below 2^63");
  Builder two;
  two.head(3, 2, 0).tensor("a", {16}, 0, 0).tensor("b", {16}, 0, 32).pad();
  two.bytes += std::string(96, '\0');
  expect_refused(two, "not before 64");
}

TEST_F(Gguf, EveryFlippedByteAndEveryLengthIsAnErrorOrStaysInsideTheFile) {
  const std::string whole = small_file().bytes;
  const auto try_reading = [&](const std::string& bytes) {
    try {
      const GgufFile file = read(bytes);
      for (const auto& [name, tensor] : file.tensors)
        EXPECT_LE(gguf_tensor(file, name).numel(), 64);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_model) << error.what();
    }
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try_reading(damaged);
    }
    EXPECT_THROW(read(whole.substr(0, at)), Error) << "cut to " << at;
  }
}

TEST_F(Gguf, WritesWhatItReads) {
  const GgufMetadata metadata = {{"flag", true},
                                 {"count", int64_t{7}},
                                 {"large", int64_t{1} << 40},
                                 {"real", 0.25},
                                 {"name", std::string("x")},
                                 {"ints", std::vector<int64_t>{1, -2}},
                                 {"reals", std::vector<double>{0.5}},
                                 {"words", std::vector<std::string>{"a", "bc"}}};
  Tensor matrix = Tensor::empty(DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i)
    matrix.values<float>()[static_cast<size_t>(i)] = static_cast<float>(i) - 2.5F;
  const std::vector<GgufRow> rows = {
      {"m", matrix}, {"h", matrix.to(DType::f16)}, {"b", matrix.to(DType::bf16)}};
  write_gguf(path_, metadata, rows);
  const GgufFile file = read_gguf(path_);
  EXPECT_EQ(file.metadata, metadata);
  for (const GgufRow& row : rows) {
    const Tensor tensor = gguf_tensor(file, row.name);
    EXPECT_EQ(tensor.dtype(), row.tensor.dtype());
    EXPECT_EQ(compare(tensor, row.tensor).max_abs, 0);
  }
  const std::vector<GgufRow> integers = {{"i", Tensor::zeros(DType::i64, {1})}};
  test::expect_error(ErrorCode::invalid_model, "\"i\"", [&] { write_gguf(path_, {}, integers); });
}

}  // namespace
}  // namespace vila::formats
