// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <cstring>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "support/temporary_folder.h"
#include "tensor/compare.h"

namespace vila::formats {
namespace {

std::string file_bytes(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  bytes += data;
  return bytes;
}

class Safetensors : public testing::Test {
 protected:
  SafetensorsFile read(std::string_view bytes) {
    write_file(path_, bytes);
    return read_safetensors(path_);
  }

  /// The message of the invalid_model error that reading gives; "" when there is none.
  std::string refusal(std::string_view bytes) {
    try {
      read(bytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_model) << error.what();
      return error.message();
    }
    return "";
  }

  std::string refusal_of(std::string_view header, size_t data_bytes) {
    return refusal(file_bytes(header, std::string(data_bytes, 'x')));
  }

  test::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "model.safetensors";
};

template <typename T>
Tensor tensor_of(const Shape& shape, std::vector<T> values) {
  Tensor tensor = Tensor::empty(dtype_of<T>(), shape);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}

TEST_F(Safetensors, ReadsWhatTheFormatDescribes) {
  const char* header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"I16","shape":[2,1],"data_offsets":[0,4]},)"
      R"("s":{"dtype":"U8","shape":[],"data_offsets":[4,5]}}   )";
  const SafetensorsFile file = read(file_bytes(header, std::string("\x01\x00\xff\xff\x07", 5)));

  EXPECT_EQ(file.metadata.at("format"), "pt");
  ASSERT_EQ(file.tensors.size(), 2U);
  EXPECT_EQ(file.tensors.at("a").shape(), Shape({2, 1}));
  EXPECT_EQ(file.tensors.at("a").data<int16_t>()[0], 1);
  EXPECT_EQ(file.tensors.at("a").data<int16_t>()[1], -1);
  EXPECT_EQ(file.tensors.at("s").rank(), 0);
  EXPECT_EQ(file.tensors.at("s").data<uint8_t>()[0], 7);
}

TEST_F(Safetensors, ReadsWhatItWroteAndAlignsIt) {
  const std::vector<NamedTensor> tensors = {
      {"bytes", tensor_of<uint8_t>({3}, {1, 2, 3})},
      {"halves", tensor_of<bf16>({2}, {to_bf16(1.5F), to_bf16(-2.0F)})},
      {"empty", Tensor::empty(DType::f32, {0, 4})},
      {"doubles", tensor_of<double>({1, 2}, {0.1, 1e300})},
      {"floats", tensor_of<float>({2, 2}, {1, 2, 3, -0.0F})},
      {"scalar", tensor_of<int64_t>({}, {INT64_MIN})},
  };
  write_safetensors(path_, tensors, {{"step", "12"}});
  const SafetensorsFile file = read_safetensors(path_);

  EXPECT_EQ(file.metadata.at("step"), "12");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const NamedTensor& named : tensors) {
    const Tensor& back = file.tensors.at(named.name);
    EXPECT_EQ(back.dtype(), named.tensor.dtype());
    EXPECT_EQ(back.shape(), named.tensor.shape());
    EXPECT_EQ(std::memcmp(back.raw(), named.tensor.raw(), back.nbytes()), 0) << named.name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(back.raw()) % dtype_size(back.dtype()), 0U);
  }
  const std::string bytes = read_file(path_);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ((8 + header) % 64, 0U);
}

TEST_F(Safetensors, TensorsOutliveTheFileObject) {
  write_safetensors(path_, std::vector<NamedTensor>{{"a", tensor_of<float>({1}, {3.5F})}});
  const Tensor tensor = read_safetensors(path_).tensors.at("a");
  std::filesystem::remove(path_);
  EXPECT_EQ(tensor.data<float>()[0], 3.5F);
}

TEST_F(Safetensors, CopiesUnalignedTensors) {
  const char* header = R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const SafetensorsFile file = read(file_bytes(header, std::string("\x09\x00\x00\x80\x3f", 5)));
  const Tensor& tensor = file.tensors.at("f");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.raw()) % 4, 0U);
  EXPECT_EQ(tensor.data<float>()[0], 1.0F);
}

TEST_F(Safetensors, RefusesFilesThatAreNone) {
  EXPECT_NE(refusal("").find("0 bytes"), std::string::npos);
  EXPECT_NE(refusal("1234567"), "");
  EXPECT_NE(refusal("PK\x03\x04 this is a zip archive").find("another format"), std::string::npos);
  EXPECT_NE(refusal(std::string(8, '\xff')), "");
  EXPECT_NE(refusal_of("[]", 0).find("JSON object"), std::string::npos);
  EXPECT_NE(refusal_of("{\"a\"", 0).find(":1:"), std::string::npos);
  EXPECT_EQ(refusal_of("{}", 0), "");
  EXPECT_THROW(read_safetensors(folder_ / "absent"), Error);
}

TEST_F(Safetensors, RefusesTenMegabytesOfNestedJsonQuickly) {
  std::string nested = R"({"a":)" + std::string(10 << 20, '[');
  const Stopwatch watch;
  EXPECT_NE(refusal_of(nested, 0).find("nested deeper"), std::string::npos);
  EXPECT_LT(watch.seconds(), 1.0);
}

TEST_F(Safetensors, RefusesWrongTypesInTheHeader) {
  const auto of = [this](std::string_view row) {
    return refusal_of(fmt::format(R"({{"a":{}}})", row), 4);
  };
  EXPECT_NE(of("3"), "");
  EXPECT_NE(of(R"({"shape":[1],"data_offsets":[0,4]})").find("dtype"), std::string::npos);
  EXPECT_NE(of(R"({"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]})").find("F8_E4M3"),
            std::string::npos);
  EXPECT_NE(of(R"({"dtype":7,"shape":[4],"data_offsets":[0,4]})"), "");
  EXPECT_NE(of(R"({"dtype":"F32","data_offsets":[0,4]})").find("shape"), std::string::npos);
  EXPECT_NE(of(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})").find("-1"),
            std::string::npos);
  EXPECT_NE(of(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"), "");
  EXPECT_NE(of(R"({"dtype":"F32","shape":[1]})").find("data_offsets"), std::string::npos);
  EXPECT_NE(of(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})"), "");
  EXPECT_NE(of(R"({"dtype":"F32","shape":[1],"data_offsets":[0,"4"]})"), "");
  EXPECT_NE(of(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1],"data_offsets":[0,4]})").find("6 dim"),
            std::string::npos);
  EXPECT_NE(refusal_of(R"({"__metadata__":{"a":1}})", 0).find("string"), std::string::npos);
  EXPECT_NE(refusal_of(R"({"__metadata__":[]})", 0), "");
}

TEST_F(Safetensors, RefusesShapesThatOverflow) {
  const auto of = [this](std::string_view shape, std::string_view end) {
    return refusal_of(
        fmt::format(R"({{"a":{{"dtype":"F32","shape":{},"data_offsets":[0,{}]}}}})", shape, end),
        4);
  };
  EXPECT_NE(of("[4294967296,4294967296]", "0").find("too large"), std::string::npos);
  EXPECT_NE(of("[4611686018427387904]", "0").find("too large"), std::string::npos);
  EXPECT_NE(of("[18446744073709551615]", "4").find("too large"), std::string::npos);
  EXPECT_NE(of("[99999999999999999999999]", "4"), "");
  EXPECT_NE(of("[0,9223372036854775807,3]", "0").find("too large"), std::string::npos);
  EXPECT_NE(of("[1]", "18446744073709551615"), "");
}

TEST_F(Safetensors, RefusesOffsetsThatDoNotFillTheDataExactly) {
  const auto two = [this](std::string_view a, std::string_view b, size_t data) {
    return refusal_of(fmt::format(R"({{"a":{{"dtype":"F32","shape":[1],"data_offsets":{}}},)"
                                  R"("b":{{"dtype":"F32","shape":[1],"data_offsets":{}}}}})",
                                  a, b),
                      data);
  };
  EXPECT_EQ(two("[0,4]", "[4,8]", 8), "");
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "");
  EXPECT_NE(two("[0,4]", "[2,6]", 8).find("overlaps"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[0,4]", 8).find("overlaps"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[8,12]", 12).find("hole"), std::string::npos);
  EXPECT_NE(two("[4,8]", "[8,12]", 12).find("hole"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[4,8]", 7).find("inside the 7 bytes"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[4,8]", 9).find("found 9"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[8,4]", 8).find("4 bytes apart"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[4,12]", 12).find("4 bytes apart"), std::string::npos);
}

TEST_F(Safetensors, RefusesNamesThatOccurTwice) {
  EXPECT_NE(refusal_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                       2)
                .find("twice"),
            std::string::npos);
}

TEST_F(Safetensors, EveryTruncationIsAnError) {
  write_safetensors(path_, std::vector<NamedTensor>{{"a", tensor_of<float>({3}, {1, 2, 3})},
                                                    {"b", tensor_of<uint8_t>({1}, {4})}});
  const std::string whole = read_file(path_);
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "") << "cut to " << size << " bytes";
  }
}

TEST_F(Safetensors, EveryFlippedHeaderByteIsAnErrorOrAnotherValidFile) {
  write_safetensors(path_, std::vector<NamedTensor>{{"a", tensor_of<float>({3}, {1, 2, 3})}});
  const std::string whole = read_file(path_);
  for (size_t at = 0; at + 12 < whole.size(); ++at) {
    for (const int flip : {0x01, 0x20, 0x80}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      try {
        for (const auto& [name, tensor] : read(damaged).tensors) {
          EXPECT_LE(tensor.nbytes(), whole.size());
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_model);
      }
    }
  }
}

TEST_F(Safetensors, NamesFileAndTensorInMessages) {
  const std::string message =
      refusal_of(R"({"model.norm":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4);
  EXPECT_NE(message.find(path_.string()), std::string::npos);
  EXPECT_NE(message.find("\"model.norm\""), std::string::npos);
  EXPECT_NE(message.find("8 bytes"), std::string::npos);
}

}  // namespace
}  // namespace vila::formats
