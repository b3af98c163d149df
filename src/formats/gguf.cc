// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/numeric.h"
#include "base/utf8.h"
#include "formats/byte_cursor.h"

namespace vila::formats {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr const char* kAlignmentKey = "general.alignment";
constexpr int64_t kDefaultAlignment = 32;
constexpr int64_t kMaxAlignment = int64_t{1} << 20;
constexpr uint64_t kMaxNameBytes = 65535;
constexpr size_t kMaxRank = 4;

/// Numbers of value types in files.
enum ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

constexpr std::array<uint64_t, 13> kLeastBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

/// A tensor's row of the header, before its place is known.
struct Row {
  std::string name;
  GgufTensor tensor;
  uint64_t offset = 0;
  uint64_t size = 0;
};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : source_(path.string()),
        file_(std::make_shared<const MappedFile>(path)),
        cursor_(file_->bytes(), source_),
        result_{.file = file_, .metadata = {}, .tensors = {}} {}

  GgufFile read();

 private:
  template <typename... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::invalid_model, "{}: {}", source_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  void read_version();
  std::string text();
  bool boolean(const std::string& key);
  int64_t integer(uint32_t type, const std::string& key);
  double real(uint32_t type);
  GgufValue value(uint32_t type, const std::string& key);
  GgufValue array(const std::string& key);
  template <typename T, typename Element>
  GgufValue list(uint64_t count, const Element& element);
  int64_t alignment() const;
  Row row();
  Shape shape(const std::string& name);
  void measure(Row& row) const;
  void place(std::vector<Row>& rows, uint64_t start);

  std::string source_;
  std::shared_ptr<const MappedFile> file_;
  ByteCursor cursor_;
  GgufFile result_;
};

void Reader::read_version() {
  if (!looks_like_gguf(file_->bytes())) reject("expected a GGUF file, found another format");
  cursor_.take(kMagic.size());
  const auto version = cursor_.number<uint32_t>();
  if (version == 2 || version == 3) return;
  reject("expected GGUF version 2 or 3, found {}{}", version,
         version > 0xffff ? " (a big-endian file?)" : "");
}

std::string Reader::text() {
  const std::string_view bytes = cursor_.text(cursor_.number<uint64_t>());
  return std::string(bytes);
}

bool Reader::boolean(const std::string& key) {
  const auto byte = cursor_.number<uint8_t>();
  if (byte > 1) reject("\"{}\": expected a bool of 0 or 1, found {}", key, byte);
  return byte == 1;
}

int64_t Reader::integer(uint32_t type, const std::string& key) {
  switch (type) {
    case kU8:
      return cursor_.number<uint8_t>();
    case kI8:
      return cursor_.number<int8_t>();
    case kU16:
      return cursor_.number<uint16_t>();
    case kI16:
      return cursor_.number<int16_t>();
    case kU32:
      return cursor_.number<uint32_t>();
    case kI32:
      return cursor_.number<int32_t>();
    case kI64:
      return cursor_.number<int64_t>();
    default:
      break;
  }
  const auto value = cursor_.number<uint64_t>();
  if (value > std::numeric_limits<int64_t>::max()) {
    reject("\"{}\": expected an integer below 2^63, found {}", key, value);
  }
  return static_cast<int64_t>(value);
}

double Reader::real(uint32_t type) {
  return type == kF32 ? double{cursor_.number<float>()} : cursor_.number<double>();
}

template <typename T, typename Element>
GgufValue Reader::list(uint64_t count, const Element& element) {
  std::vector<T> values;
  values.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i)
    values.push_back(element());
  return values;
}

GgufValue Reader::array(const std::string& key) {
  const auto type = cursor_.number<uint32_t>();
  const auto count = cursor_.number<uint64_t>();
  if (type == kArray || type >= kLeastBytes.size()) {
    reject("\"{}\": expected a list of numbers or strings, found element type {}", key, type);
  }
  if (count > cursor_.left() / kLeastBytes[type]) {
    reject("\"{}\": expected {} elements, found {} bytes left; the file is damaged or cut", key,
           count, cursor_.left());
  }
  if (type == kString) return list<std::string>(count, [&] { return text(); });
  if (type == kF32 || type == kF64) return list<double>(count, [&] { return real(type); });
  if (type == kBool) return list<int64_t>(count, [&] { return int64_t{boolean(key)}; });
  return list<int64_t>(count, [&] { return integer(type, key); });
}

GgufValue Reader::value(uint32_t type, const std::string& key) {
  switch (type) {
    case kF32:
    case kF64:
      return real(type);
    case kBool:
      return boolean(key);
    case kString:
      return text();
    case kArray:
      return array(key);
    default:
      if (type >= kLeastBytes.size()) reject("\"{}\": expected a value type, found {}", key, type);
      return integer(type, key);
  }
}

int64_t Reader::alignment() const {
  const auto value = gguf_get<int64_t>(result_, kAlignmentKey, kDefaultAlignment);
  if (value < 1 || value > kMaxAlignment || (value & (value - 1)) != 0) {
    reject("\"{}\": expected a power of two, found {}", kAlignmentKey, value);
  }
  return value;
}

/// Extents are listed from the fastest to the slowest; ours are the other way round.
Shape Reader::shape(const std::string& name) {
  const auto rank = cursor_.number<uint32_t>();
  if (rank > kMaxRank)
    reject("\"{}\": expected at most {} extents, found {}", name, kMaxRank, rank);
  std::vector<int64_t> extents(rank);
  for (size_t axis = rank; axis-- > 0;) {
    const auto extent = cursor_.number<uint64_t>();
    if (extent > std::numeric_limits<int64_t>::max()) {
      reject("\"{}\": expected an extent below 2^63, found {}", name, extent);
    }
    extents[axis] = static_cast<int64_t>(extent);
  }
  return Shape(extents);
}

Row Reader::row() {
  Row row;
  row.name = text();
  if (row.name.size() > kMaxNameBytes || !is_valid_utf8(row.name)) {
    reject("expected the name of a tensor in UTF-8, found {} bytes of something else",
           row.name.size());
  }
  row.tensor.shape = shape(row.name);
  const auto type = cursor_.number<uint32_t>();
  const GgmlTypeInfo* info = ggml_type_info(type);
  if (info == nullptr) {
    reject(
        "\"{}\": expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K, "
        "found type {}",
        row.name, type);
  }
  row.tensor.type = info->type;
  row.offset = cursor_.number<uint64_t>();
  measure(row);
  return row;
}

/// Bytes of a tensor: whole blocks in each row.
void Reader::measure(Row& row) const {
  const GgmlTypeInfo& info = *ggml_type_info(static_cast<uint32_t>(row.tensor.type));
  const Shape& shape = row.tensor.shape;
  std::optional<int64_t> weights = 1;
  for (const int64_t extent : shape.extents()) {
    if (weights) weights = extent > 0 ? checked_product(*weights, extent) : std::nullopt;
  }
  const int64_t columns = shape.rank() > 0 ? shape[shape.rank() - 1] : 1;
  if (!weights || columns % info.block_weights != 0) {
    reject("\"{}\": expected rows of whole blocks of {} weights ({}), found {}", row.name,
           info.block_weights, info.name, shape.text());
  }
  const auto bytes = checked_product(*weights / info.block_weights, info.block_bytes);
  // In floats it takes at most 4 bytes a weight: that must not overflow either.
  if (!bytes || !checked_product(*weights, 4)) {
    reject("\"{}\": shape {} is too large", row.name, shape.text());
  }
  row.size = static_cast<uint64_t>(*bytes);
}

/// Gives each tensor its bytes.
void Reader::place(std::vector<Row>& rows, uint64_t start) {
  const auto step = static_cast<uint64_t>(alignment());
  const uint64_t end = file_->bytes().size();
  std::ranges::sort(rows, {}, &Row::offset);
  uint64_t least = 0;
  for (Row& row : rows) {
    if (row.offset % step != 0 || row.offset < least || start > end || row.offset > end - start ||
        row.size > end - start - row.offset) {
      reject(
          "\"{}\": expected {} bytes inside the file, at a multiple of {} and not before {}, "
          "found offset {}",
          row.name, row.size, step, least, row.offset);
    }
    least = row.offset + row.size;
    row.tensor.data = file_->bytes().subspan(static_cast<size_t>(start + row.offset),
                                             static_cast<size_t>(row.size));
    if (!result_.tensors.emplace(row.name, row.tensor).second) {
      reject("\"{}\": expected one tensor of this name, found two", row.name);
    }
  }
}

GgufFile Reader::read() {
  read_version();
  const auto tensors = cursor_.number<uint64_t>();
  const auto values = cursor_.number<uint64_t>();
  for (uint64_t i = 0; i < values; ++i) {
    const std::string key = text();
    if (key.size() > kMaxNameBytes || !is_valid_utf8(key)) {
      reject("expected a key in UTF-8, found {} bytes of something else", key.size());
    }
    const auto type = cursor_.number<uint32_t>();
    if (!result_.metadata.emplace(key, value(type, key)).second) {
      reject("\"{}\": expected one value, found two", key);
    }
  }
  std::vector<Row> rows;
  for (uint64_t i = 0; i < tensors; ++i)
    rows.push_back(row());
  const int64_t step = alignment();
  place(rows, static_cast<uint64_t>(round_up(static_cast<int64_t>(cursor_.position()), step)));
  return std::move(result_);
}

/// What a kind of value is called in messages; in the order of GgufValue.
constexpr std::array<std::string_view, 7> kKinds = {
    "a bool",           "an integer",         "a number",
    "a string",         "a list of integers", "a list of numbers",
    "a list of strings"};

}  // namespace

bool looks_like_gguf(std::span<const std::byte> file) noexcept {
  return file.size() >= kMagic.size() &&
         std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
}

GgufFile read_gguf(const std::filesystem::path& path) {
  return Reader(path).read();
}

Tensor gguf_tensor(const GgufFile& file, std::string_view name) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) {
    fail(ErrorCode::invalid_model, "{}: expected tensor \"{}\", found none", file.source(), name);
  }
  const GgufTensor& stored = found->second;
  const auto as_view = [&](DType dtype) {
    const auto address = reinterpret_cast<uintptr_t>(stored.data.data());
    const Tensor view = Tensor::view(dtype, stored.shape, stored.data.data(), file.file);
    return address % dtype_size(dtype) == 0 ? view : view.to(dtype);
  };
  if (stored.type == GgmlType::f32) return as_view(DType::f32);
  if (stored.type == GgmlType::f16) return as_view(DType::f16);
  if (stored.type == GgmlType::bf16) return as_view(DType::bf16);
  Tensor tensor = Tensor::empty(DType::f32, stored.shape);
  dequantise_blocks(stored.type, stored.data, tensor.values<float>());
  return tensor;
}

template <typename T>
T gguf_require(const GgufFile& file, std::string_view key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) {
    fail(ErrorCode::invalid_model, "{}: expected \"{}\" in the metadata, found none", file.source(),
         key);
  }
  if (const T* value = std::get_if<T>(&found->second)) return *value;
  if constexpr (std::is_same_v<T, double>) {
    if (const auto* value = std::get_if<int64_t>(&found->second))
      return static_cast<double>(*value);
  }
  fail(ErrorCode::invalid_model, "{}: \"{}\": expected {}, found {}", file.source(), key,
       kKinds[GgufValue(T()).index()], kKinds[found->second.index()]);
}

template bool gguf_require(const GgufFile&, std::string_view);
template int64_t gguf_require(const GgufFile&, std::string_view);
template double gguf_require(const GgufFile&, std::string_view);
template std::string gguf_require(const GgufFile&, std::string_view);
template std::vector<int64_t> gguf_require(const GgufFile&, std::string_view);
template std::vector<double> gguf_require(const GgufFile&, std::string_view);
template std::vector<std::string> gguf_require(const GgufFile&, std::string_view);

}  // namespace vila::formats
