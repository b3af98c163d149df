// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace vila::formats {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr int kMaxHeaderDepth = 4;               // file > tensor > list of numbers
constexpr size_t kDataAlignment = 64;
constexpr const char* kMetadataKey = "__metadata__";

struct DTypeRow {
  DType dtype;
  std::string_view name;
};

constexpr std::array<DTypeRow, 10> kDTypes = {{{DType::f32, "F32"},
                                               {DType::f16, "F16"},
                                               {DType::bf16, "BF16"},
                                               {DType::f64, "F64"},
                                               {DType::i64, "I64"},
                                               {DType::i32, "I32"},
                                               {DType::i16, "I16"},
                                               {DType::i8, "I8"},
                                               {DType::u8, "U8"},
                                               {DType::boolean, "BOOL"}}};

std::string_view format_name(DType dtype) {
  return std::ranges::find(kDTypes, dtype, &DTypeRow::dtype)->name;
}

/// One row of the header, checked on its own: begin <= end and the size that the shape asks for.
struct Entry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

template <typename... Args>
[[noreturn]] void fail_tensor(const std::string& where, fmt::format_string<Args...> format,
                              Args&&... args) {
  fail(ErrorCode::invalid_model, "{}: {}", where, fmt::format(format, std::forward<Args>(args)...));
}

DType parse_dtype(const Json& row, const std::string& where) {
  const auto found = row.find("dtype");
  if (found == row.end() || !found->is_string()) {
    fail_tensor(where, "expected a \"dtype\" string, found none");
  }
  const auto& name = found->get_ref<const std::string&>();
  const auto* known = std::ranges::find(kDTypes, name, &DTypeRow::name);
  if (known == kDTypes.end()) {
    fail_tensor(where,
                "expected dtype F32, F16, BF16, F64, I64, I32, I16, I8, U8 or BOOL, found \"{}\"",
                name.substr(0, 32));
  }
  return known->dtype;
}

uint64_t parse_count(const Json& value, const char* key, const std::string& where) {
  if (!value.is_number_unsigned()) {
    fail_tensor(where, "expected whole numbers >= 0 in \"{}\", found {}", key,
                value.dump().substr(0, 40));
  }
  return value.get<uint64_t>();
}

const Json& require_list(const Json& row, const char* key, const std::string& where) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_array()) {
    fail_tensor(where, "expected a list \"{}\", found none", key);
  }
  return *found;
}

Shape parse_shape(const Json& row, const std::string& where) {
  const Json& list = require_list(row, "shape", where);
  if (list.size() > static_cast<size_t>(Shape::kMaxRank)) {
    fail_tensor(where, "expected at most {} dimensions, found {}", Shape::kMaxRank, list.size());
  }
  std::vector<int64_t> extents;
  for (const Json& value : list) {
    const uint64_t extent = parse_count(value, "shape", where);
    if (extent > INT64_MAX) fail_tensor(where, "shape {} is too large", list.dump());
    extents.push_back(static_cast<int64_t>(extent));
  }
  return Shape(extents);
}

/// Bytes of a tensor. The product is taken over all extents, so that [0, 2^62, 4] is refused too:
/// nothing later may compute a part of it and overflow.
uint64_t required_bytes(const Entry& entry, const std::string& where) {
  int64_t nonzero = 1;
  bool is_empty = false;
  for (const int64_t extent : entry.shape.extents()) {
    is_empty = is_empty || extent == 0;
    const auto product = checked_product(nonzero, std::max<int64_t>(extent, 1));
    if (!product) fail_tensor(where, "shape {} is too large", entry.shape.text());
    nonzero = *product;
  }
  const auto bytes = checked_product(nonzero, static_cast<int64_t>(dtype_size(entry.dtype)));
  if (!bytes) fail_tensor(where, "shape {} is too large", entry.shape.text());
  return is_empty ? 0 : static_cast<uint64_t>(*bytes);
}

Entry parse_entry(const std::string& name, const Json& row, const std::string& where) {
  if (!row.is_object()) fail_tensor(where, "expected an object, found {}", row.type_name());
  Entry entry{.name = name, .dtype = parse_dtype(row, where), .shape = parse_shape(row, where)};
  const Json& offsets = require_list(row, "data_offsets", where);
  if (offsets.size() != 2) {
    fail_tensor(where, "expected 2 \"data_offsets\", found {}", offsets.size());
  }
  entry.begin = parse_count(offsets[0], "data_offsets", where);
  entry.end = parse_count(offsets[1], "data_offsets", where);
  const uint64_t bytes = required_bytes(entry, where);
  if (entry.begin > entry.end || entry.end - entry.begin != bytes) {
    fail_tensor(where, "expected data_offsets {} bytes apart for {} {}, found [{}, {}]", bytes,
                entry.shape.text(), format_name(entry.dtype), entry.begin, entry.end);
  }
  return entry;
}

std::map<std::string, std::string> parse_metadata(const Json& row, const std::string& where) {
  if (!row.is_object()) fail_tensor(where, "expected an object, found {}", row.type_name());
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : row.items()) {
    if (!value.is_string()) {
      fail_tensor(where, "\"{}\": expected a string, found {}", key, value.type_name());
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

/// The tensors in file order must fill the data exactly.
void check_coverage(std::vector<Entry>& entries, uint64_t data_bytes, const std::string& source) {
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (const Entry& entry : entries) {
    const std::string where = fmt::format("{}: tensor \"{}\"", source, entry.name);
    if (entry.begin != expected) {
      fail_tensor(where, "expected its data at offset {}, found {} ({})", expected, entry.begin,
                  entry.begin < expected ? "it overlaps the tensor before" : "a hole before it");
    }
    if (entry.end > data_bytes) {
      fail_tensor(where, "expected its data inside the {} bytes of the file, found an end at {}",
                  data_bytes, entry.end);
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    fail(ErrorCode::invalid_model, "{}: expected {} bytes of tensor data, found {}", source,
         expected, data_bytes);
  }
}

std::string_view header_text(const MappedFile& file) {
  const auto bytes = file.bytes();
  const std::string source = file.path().string();
  if (bytes.size() < kLengthBytes) {
    fail(ErrorCode::invalid_model, "{}: expected a safetensors file, found {} bytes", source,
         bytes.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes || length > bytes.size() - kLengthBytes) {
    fail(ErrorCode::invalid_model,
         "{}: expected a safetensors header of at most {} bytes, found a length of {}; the file "
         "is damaged, truncated or of another format",
         source, std::min(kMaxHeaderBytes, bytes.size() - kLengthBytes), length);
  }
  const auto* text = reinterpret_cast<const char*>(bytes.data() + kLengthBytes);
  return {text, static_cast<size_t>(length)};
}

Json parse_header(std::string_view text, const std::string& source) {
  const JsonLimits limits{.max_bytes = kMaxHeaderBytes, .max_depth = kMaxHeaderDepth};
  try {
    Json header = parse_json(text, source + ": header", limits);
    if (header.is_object()) return header;
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid_model, error.message());
  }
  fail(ErrorCode::invalid_model, "{}: expected the header to be a JSON object", source);
}

Tensor tensor_at(const std::shared_ptr<const MappedFile>& file, const Entry& entry,
                 size_t data_start) {
  const std::byte* data = file->bytes().data() + data_start + entry.begin;
  if (reinterpret_cast<uintptr_t>(data) % dtype_size(entry.dtype) == 0) {
    return Tensor::view(entry.dtype, entry.shape, data, file);
  }
  Tensor copy = Tensor::empty(entry.dtype, entry.shape);
  std::memcpy(copy.raw(), data, copy.nbytes());
  return copy;
}

std::string header_for(std::span<const NamedTensor* const> order,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  size_t offset = 0;
  for (const NamedTensor* named : order) {
    const Tensor& tensor = named->tensor;
    header[named->name] = {{"dtype", format_name(tensor.dtype())},
                           {"shape", tensor.shape().extents()},
                           {"data_offsets", {offset, offset + tensor.nbytes()}}};
    offset += tensor.nbytes();
  }
  std::string text = header.dump();
  const auto end = static_cast<int64_t>(kLengthBytes + text.size());
  text.append(static_cast<size_t>(round_up(end, kDataAlignment) - end), ' ');
  return text;
}

std::vector<const NamedTensor*> aligned_order(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  std::set<std::string_view> names;
  for (const NamedTensor& named : tensors) {
    VILA_CHECK(named.name != kMetadataKey && names.insert(named.name).second, "tensor name {}",
               named.name);
    order.push_back(&named);
  }
  std::ranges::stable_sort(order, std::greater{}, [](const NamedTensor* named) {
    return dtype_size(named->tensor.dtype());
  });
  return order;
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& path) {
  const auto file = std::make_shared<const MappedFile>(path);
  const std::string source = path.string();
  const std::string_view text = header_text(*file);
  const Json header = parse_header(text, source);

  SafetensorsFile result;
  result.file = file;
  std::vector<Entry> entries;
  for (const auto& [name, row] : header.items()) {
    if (name == kMetadataKey) {
      result.metadata = parse_metadata(row, source + ": __metadata__");
    } else {
      entries.push_back(parse_entry(name, row, fmt::format("{}: tensor \"{}\"", source, name)));
    }
  }
  const size_t data_start = kLengthBytes + text.size();
  check_coverage(entries, file->bytes().size() - data_start, source);
  for (const Entry& entry : entries) {
    result.tensors.emplace(entry.name, tensor_at(file, entry, data_start));
  }
  return result;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<const NamedTensor*> order = aligned_order(tensors);
  const std::string header = header_for(order, metadata);
  std::array<char, kLengthBytes> length{};
  const uint64_t header_bytes = header.size();
  std::memcpy(length.data(), &header_bytes, kLengthBytes);

  AtomicFileWriter writer(path);
  writer.append(std::string_view(length.data(), length.size()));
  writer.append(header);
  for (const NamedTensor* named : order) {
    const auto* data = static_cast<const std::byte*>(named->tensor.raw());
    writer.append(std::span(data, named->tensor.nbytes()));
  }
  writer.commit();
}

}  // namespace vila::formats
