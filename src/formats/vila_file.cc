// SPDX-License-Identifier: Apache-2.0
#include "formats/vila_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>
#include <zlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/numeric.h"
#include "formats/byte_cursor.h"

namespace vila::formats {
namespace {

constexpr std::string_view kMagic = "VILAFILE";
constexpr uint32_t kVersion = 1;
constexpr size_t kFixedBytes = 8 + 4 + 4 + 8;  // magic, version, checksum and length of the header
constexpr uint64_t kMaxHeaderBytes = uint64_t{256} << 20;
constexpr int64_t kAlignment = 64;
constexpr size_t kMaxCheckedBytes = size_t{256} << 20;

constexpr std::array<DType, 10> kDTypes = {DType::f32, DType::f16,    DType::bf16, DType::f64,
                                           DType::i64, DType::i32,    DType::i16,  DType::i8,
                                           DType::u8,  DType::boolean};

uint32_t checksum(std::string_view bytes) {
  return static_cast<uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string_view bytes_of(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), tensor.nbytes()};
}

/// Reads the members of one file.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path)
      : file_(std::make_shared<const MappedFile>(path)), source_(path.string()) {}

  ModelPackage read(bool checks_all);

 private:
  template <typename... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::invalid_model, "{}: {}", source_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  Json read_header();
  uint64_t count(const Json& row, const char* key, const std::string& name) const;
  std::string_view member(const Json& row, const std::string& name, bool is_checked) const;
  Shape shape(const Json& row, const std::string& name) const;
  Tensor tensor(const Json& row, const std::string& name, bool is_checked) const;

  std::shared_ptr<const MappedFile> file_;
  std::string source_;
  uint64_t data_ = 0;  // where the members start
};

Json Reader::read_header() {
  if (!looks_like_vila(file_->bytes())) reject("expected a .vila file, found another format");
  ByteCursor cursor(file_->bytes(), source_);
  cursor.take(kMagic.size());
  const auto version = cursor.number<uint32_t>();
  const auto expected = cursor.number<uint32_t>();
  const auto length = cursor.number<uint64_t>();
  if (version != kVersion) reject("expected version {}, found {}", kVersion, version);
  if (length > kMaxHeaderBytes) {
    reject("expected a header of at most {} bytes, found {}", kMaxHeaderBytes, length);
  }
  const std::string_view text = cursor.text(length);
  if (checksum(text) != expected) reject("expected another checksum of the header; it is damaged");
  data_ = static_cast<uint64_t>(round_up(static_cast<int64_t>(cursor.position()), kAlignment));
  Json header =
      parse_json(text, source_ + ": header", {.max_bytes = kMaxHeaderBytes, .max_depth = 5});
  const bool is_valid = header.is_object() && header.value("files", Json()).is_array() &&
                        header.value("tensors", Json()).is_array();
  if (!is_valid) reject("expected lists \"files\" and \"tensors\" in the header");
  const uint64_t size = count(header, "size", "header");
  if (file_->bytes().size() != size) {
    reject("expected {} bytes, found {}; the file is cut", size, file_->bytes().size());
  }
  return header;
}

uint64_t Reader::count(const Json& row, const char* key, const std::string& name) const {
  const auto found = row.is_object() ? row.find(key) : row.end();
  if (!row.is_object() || found == row.end() || !found->is_number_unsigned() ||
      found->get<uint64_t>() > INT64_MAX) {
    reject("\"{}\": expected a whole number \"{}\"", name, key);
  }
  return found->get<uint64_t>();
}

/// The bytes of a member, inside the file and aligned.
std::string_view Reader::member(const Json& row, const std::string& name, bool is_checked) const {
  const uint64_t offset = count(row, "offset", name);
  const uint64_t size = count(row, "size", name);
  const uint64_t end = file_->bytes().size();
  if (offset % uint64_t{kAlignment} != 0 || data_ > end || offset > end - data_ ||
      size > end - data_ - offset) {
    reject("\"{}\": expected {} bytes inside the file at a multiple of {}, found offset {}", name,
           size, kAlignment, offset);
  }
  const auto* first = reinterpret_cast<const char*>(file_->bytes().data()) + data_ + offset;
  const std::string_view bytes(first, static_cast<size_t>(size));
  if (is_checked && checksum(bytes) != count(row, "crc32", name)) {
    reject("\"{}\": expected checksum {:08x}, found {:08x}; the file is damaged", name,
           count(row, "crc32", name), checksum(bytes));
  }
  return bytes;
}

Shape Reader::shape(const Json& row, const std::string& name) const {
  const Json list = row.value("shape", Json());
  if (!list.is_array() || list.size() > size_t{Shape::kMaxRank}) {
    reject("\"{}\": expected a list \"shape\" of at most {}", name, Shape::kMaxRank);
  }
  std::vector<int64_t> extents;
  for (const Json& extent : list)
    extents.push_back(static_cast<int64_t>(count({{"extent", extent}}, "extent", name)));
  return Shape(extents);
}

Tensor Reader::tensor(const Json& row, const std::string& name, bool is_checked) const {
  const auto dtype_text = json_require<std::string>(row, "dtype", name);
  const auto* dtype = std::ranges::find(kDTypes, dtype_text, dtype_name);
  if (dtype == kDTypes.end()) reject("\"{}\": expected a dtype, found \"{}\"", name, dtype_text);
  const Shape extents = shape(row, name);
  std::optional<int64_t> bytes = static_cast<int64_t>(dtype_size(*dtype));
  for (const int64_t extent : extents.extents()) {
    if (bytes) bytes = checked_product(*bytes, std::max<int64_t>(extent, 1));
  }
  const std::string_view data = member(row, name, is_checked);
  if (!bytes || (extents.numel() == 0 ? 0 : static_cast<uint64_t>(*bytes)) != data.size()) {
    reject("\"{}\": expected the bytes of {} {}, found {}", name, extents.text(), dtype_text,
           data.size());
  }
  return Tensor::view(*dtype, extents, static_cast<const void*>(data.data()), file_);
}

ModelPackage Reader::read(bool checks_all) {
  const bool checks_tensors = checks_all || file_->bytes().size() <= kMaxCheckedBytes;
  ModelPackage package;
  try {
    const Json header = read_header();
    for (const Json& row : header.at("files")) {
      const auto name = json_require<std::string>(row, "name", "files");
      package.files[name] = std::string(member(row, name, true));
    }
    for (const Json& row : header.at("tensors")) {
      const auto part = json_require<std::string>(row, "part", "tensors");
      const auto name = json_require<std::string>(row, "name", "tensors");
      package.parts[part].insert_or_assign(name, tensor(row, name, checks_tensors));
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::invalid_model) throw;
    reject("{}", error.message());
  }
  return package;
}

/// Rows of the header and the members in their order, padded.
struct Layout {
  Json files = Json::array();
  Json tensors = Json::array();
  std::vector<std::string_view> members;
  int64_t size = 0;  // of the data

  void place(Json row, std::string_view bytes, Json& rows) {
    row["offset"] = size;
    row["size"] = bytes.size();
    row["crc32"] = checksum(bytes);
    rows.push_back(std::move(row));
    members.push_back(bytes);
    size += round_up(static_cast<int64_t>(bytes.size()), kAlignment);
  }
};

Layout layout_of(const ModelPackage& package) {
  Layout layout;
  for (const auto& [name, content] : package.files)
    layout.place({{"name", name}}, content, layout.files);
  for (const auto& [part, tensors] : package.parts) {
    for (const auto& [name, tensor] : tensors) {
      const auto extents = tensor.shape().extents();
      layout.place({{"part", part},
                    {"name", name},
                    {"dtype", dtype_name(tensor.dtype())},
                    {"shape", std::vector<int64_t>(extents.begin(), extents.end())}},
                   bytes_of(tensor), layout.tensors);
    }
  }
  return layout;
}

/// The header names the size of the file, which depends on its own length: its number is padded.
std::string header_of(const Layout& layout) {
  Json header = {{"files", layout.files}, {"tensors", layout.tensors}, {"size", 0}};
  const size_t room = header.dump().size() + 20;
  const int64_t start = round_up(static_cast<int64_t>(kFixedBytes + room), kAlignment);
  header["size"] = start + layout.size;
  std::string text = header.dump();
  text.resize(static_cast<size_t>(start) - kFixedBytes, ' ');
  return text;
}

template <typename T>
void append_number(AtomicFileWriter& writer, T value) {
  writer.append(std::string_view(reinterpret_cast<const char*>(&value), sizeof(T)));
}

}  // namespace

bool looks_like_vila(std::span<const std::byte> file) noexcept {
  return file.size() >= kMagic.size() &&
         std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
}

ModelPackage read_vila(const std::filesystem::path& path) {
  return Reader(path).read(false);
}

void check_vila(const std::filesystem::path& path) {
  Reader(path).read(true);
}

void write_vila(const std::filesystem::path& path, const ModelPackage& package) {
  const Layout layout = layout_of(package);
  const std::string header = header_of(layout);
  AtomicFileWriter writer(path);
  writer.append(kMagic);
  append_number(writer, kVersion);
  append_number(writer, checksum(header));
  append_number(writer, static_cast<uint64_t>(header.size()));
  writer.append(header);
  for (const std::string_view member : layout.members) {
    writer.append(member);
    const auto size = static_cast<int64_t>(member.size());
    writer.append(std::string(static_cast<size_t>(round_up(size, kAlignment) - size), '\0'));
  }
  writer.commit();
}

}  // namespace vila::formats
