// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "base/numeric.h"
#include "formats/ggml_quantise.h"
#include "formats/gguf.h"

namespace vila::formats {
namespace {

constexpr uint32_t kVersion = 3;
constexpr int64_t kAlignment = 32;

/// Numbers of value types in files, as in gguf.cc, as far as they are written.
constexpr uint32_t kU32 = 4;
constexpr uint32_t kI32 = 5;
constexpr uint32_t kF32 = 6;
constexpr uint32_t kBool = 7;
constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;
constexpr uint32_t kI64 = 11;

/// The header as it grows.
class Header {
 public:
  template <typename T>
  void number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }

  void text(const std::string& value) {
    number<uint64_t>(value.size());
    bytes_ += value;
  }

  void raw(std::string_view bytes) { bytes_ += bytes; }

  void pad() {
    const auto size = static_cast<int64_t>(bytes_.size());
    bytes_.append(static_cast<size_t>(round_up(size, kAlignment) - size), '\0');
  }

  void value(bool value) {
    number(kBool);
    number<uint8_t>(value ? 1 : 0);
  }

  void value(int64_t value) {
    const bool is_u32 = value >= 0 && value <= std::numeric_limits<uint32_t>::max();
    number(is_u32 ? kU32 : kI64);
    is_u32 ? number(static_cast<uint32_t>(value)) : number(value);
  }

  void value(double value) {
    number(kF32);
    number(static_cast<float>(value));
  }

  void value(const std::string& value) {
    number(kString);
    text(value);
  }

  void value(const std::vector<int64_t>& values) {
    array(kI32, values.size());
    for (const int64_t element : values) {
      VILA_CHECK(element == static_cast<int32_t>(element), "{}", element);
      number(static_cast<int32_t>(element));
    }
  }

  void value(const std::vector<double>& values) {
    array(kF32, values.size());
    for (const double element : values)
      number(static_cast<float>(element));
  }

  void value(const std::vector<std::string>& values) {
    array(kString, values.size());
    for (const std::string& element : values)
      text(element);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void array(uint32_t type, size_t count) {
    number(kArray);
    number(type);
    number<uint64_t>(count);
  }

  std::string bytes_;
};

GgmlType type_of(const GgufRow& row) {
  if (row.blocks) return *row.blocks;
  switch (row.tensor.dtype()) {
    case DType::f32:
      return GgmlType::f32;
    case DType::f16:
      return GgmlType::f16;
    case DType::bf16:
      return GgmlType::bf16;
    default:
      fail(ErrorCode::invalid_model, "\"{}\": expected f32, f16 or bf16 for GGUF, found {}",
           row.name, row.tensor.text());
  }
}

void put_row(Header& header, const GgufRow& row, uint64_t offset) {
  header.text(row.name);
  header.number(static_cast<uint32_t>(row.tensor.rank()));
  for (int axis = row.tensor.rank() - 1; axis >= 0; --axis)
    header.number(static_cast<uint64_t>(row.tensor.dim(axis)));
  header.number(static_cast<uint32_t>(type_of(row)));
  header.number(offset);
}

int64_t size_of(const GgufRow& row) {
  const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(type_of(row)));
  return row.tensor.numel() / info.block_weights * info.block_bytes;
}

/// Rounds some rows at a time: the memory of a whole matrix in float is not needed.
void append_blocks(AtomicFileWriter& writer, const GgufRow& row) {
  constexpr int64_t kRows = 64;
  std::vector<std::byte> blocks;
  for (int64_t begin = 0; begin < row.tensor.dim(0); begin += kRows) {
    const int64_t end = std::min(begin + kRows, row.tensor.dim(0));
    const Tensor numbers = row.tensor.rows(begin, end).to(DType::f32);
    blocks.resize(static_cast<size_t>(size_of({row.name, numbers, row.blocks})));
    quantise_blocks(*row.blocks, numbers.values<float>(), blocks);
    writer.append(std::span<const std::byte>(blocks));
  }
}

void append_row(AtomicFileWriter& writer, const GgufRow& row) {
  if (row.blocks) {
    append_blocks(writer, row);
  } else {
    const auto* data = static_cast<const std::byte*>(row.tensor.raw());
    writer.append(std::span(data, row.tensor.nbytes()));
  }
  const int64_t size = size_of(row);
  writer.append(std::string(static_cast<size_t>(round_up(size, kAlignment) - size), '\0'));
}

}  // namespace

void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                std::span<const GgufRow> tensors) {
  Header header;
  header.raw("GGUF");
  header.number(kVersion);
  header.number<uint64_t>(tensors.size());
  header.number<uint64_t>(metadata.size());
  for (const auto& [key, value] : metadata) {
    header.text(key);
    std::visit([&](const auto& content) { header.value(content); }, value);
  }
  int64_t offset = 0;
  for (const GgufRow& row : tensors) {
    put_row(header, row, static_cast<uint64_t>(offset));
    offset += round_up(size_of(row), kAlignment);
  }
  header.pad();
  AtomicFileWriter writer(path);
  writer.append(header.bytes());
  for (const GgufRow& row : tensors)
    append_row(writer, row);
  writer.commit();
}

}  // namespace vila::formats
