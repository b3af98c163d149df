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
constexpr uint32_t kVersion = 2;
// Magic, version, checksum, length and place of the header, padded: where the first member stands.
constexpr int64_t kFixedBytes = 64;
constexpr uint64_t kMaxHeaderBytes = uint64_t{256} << 20;
constexpr int64_t kAlignment = 64;
constexpr size_t kMaxCheckedBytes = size_t{256} << 20;
constexpr uint64_t kMaxExtent = uint64_t{1} << 30;  // of a packed matrix: no product overflows

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

template <typename T>
void append_number(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
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
  PackedMatrix matrix(const Json& row, const std::string& name, bool is_checked) const;

  std::shared_ptr<const MappedFile> file_;
  std::string source_;
};

Json Reader::read_header() {
  if (!looks_like_vila(file_->bytes())) reject("expected a .vila file, found another format");
  ByteCursor cursor(file_->bytes(), source_);
  cursor.take(kMagic.size());
  const auto version = cursor.number<uint32_t>();
  const auto expected = cursor.number<uint32_t>();
  const auto length = cursor.number<uint64_t>();
  const auto place = cursor.number<uint64_t>();
  if (version != kVersion) {
    reject("expected version {}, found {}; convert the model again", kVersion, version);
  }
  if (length > kMaxHeaderBytes) {
    reject("expected a header of at most {} bytes, found {}", kMaxHeaderBytes, length);
  }
  const uint64_t size = file_->bytes().size();
  if (place > size || length != size - place) {
    reject(
        "expected a header of {} bytes at {} to end the file, found {} bytes in all; the file "
        "is cut",
        length, place, size);
  }
  cursor.seek(place);
  const std::string_view text = cursor.text(length);
  if (checksum(text) != expected) reject("expected another checksum of the header; it is damaged");
  Json header =
      parse_json(text, source_ + ": header", {.max_bytes = kMaxHeaderBytes, .max_depth = 5});
  for (const char* list : {"files", "tensors", "matrices"}) {
    if (header.is_object() && header.value(list, Json()).is_array()) continue;
    reject("expected a list \"{}\" in the header", list);
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
  if (offset % uint64_t{kAlignment} != 0 || offset > end || size > end - offset) {
    reject("\"{}\": expected {} bytes inside the file at a multiple of {}, found offset {}", name,
           size, kAlignment, offset);
  }
  const auto* first = reinterpret_cast<const char*>(file_->bytes().data()) + offset;
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

PackedMatrix Reader::matrix(const Json& row, const std::string& name, bool is_checked) const {
  const auto extent = [&](const char* key) {
    return static_cast<int64_t>(std::min(count(row, key, name), kMaxExtent));
  };
  PackedMatrix matrix{.out = extent("out"),
                      .in = extent("in"),
                      .group = extent("group"),
                      .bits = static_cast<int>(extent("bits")),
                      .has_offsets = row.value("has_offsets", false),
                      .is_narrow = row.value("is_narrow", false),
                      .data = {}};
  const bool is_known = PackedMatrix::can_hold(matrix.out, matrix.in, matrix.group, matrix.bits) &&
                        !(matrix.bits == 8 && matrix.has_offsets) &&
                        !(matrix.bits == 4 && matrix.is_narrow);
  if (!is_known) {
    reject(
        "\"{}\": expected 4 bits that are not narrow, or 8 without offsets, in groups that divide "
        "the rows, found {} bits{}{}, [{}, {}] by {}",
        name, matrix.bits, matrix.is_narrow ? ", narrow" : "",
        matrix.has_offsets ? ", offsets" : "", matrix.out, matrix.in, matrix.group);
  }
  const std::string_view data = member(row, name, is_checked);
  const int64_t bytes = PackedMatrix::bytes(matrix.out, matrix.in, matrix.group, matrix.bits);
  if (bytes != static_cast<int64_t>(data.size())) {
    reject("\"{}\": expected {} bytes of [{}, {}] in {} bits by {}, found {}", name, bytes,
           matrix.out, matrix.in, matrix.bits, matrix.group, data.size());
  }
  matrix.data = Tensor::view(DType::u8, {bytes}, static_cast<const void*>(data.data()), file_);
  return matrix;
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
    for (const Json& row : header.at("matrices")) {
      const auto part = json_require<std::string>(row, "part", "matrices");
      const auto name = json_require<std::string>(row, "name", "matrices");
      package.parts[part];  // a part may have nothing but matrices
      package.quantised[part].insert_or_assign(name, quantised(matrix(row, name, checks_tensors)));
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::invalid_model) throw;
    reject("{}", error.message());
  }
  return package;
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

/// The file so far and what its header will say.
struct VilaWriter::State {
  explicit State(const std::filesystem::path& path) : file(path) {
    file.append(std::string(static_cast<size_t>(kFixedBytes), '\0'));
  }

  /// A member, padded, and its row in `rows`.
  void place(Json row, std::string_view bytes, Json& rows) {
    row["offset"] = size;
    row["size"] = bytes.size();
    row["crc32"] = checksum(bytes);
    rows.push_back(std::move(row));
    const auto length = static_cast<int64_t>(bytes.size());
    const int64_t padded = round_up(length, kAlignment);
    file.append(bytes);
    file.append(std::string(static_cast<size_t>(padded - length), '\0'));
    size += padded;
  }

  AtomicFileWriter file;
  int64_t size = kFixedBytes;
  Json files = Json::array();
  Json tensors = Json::array();
  Json matrices = Json::array();
};

VilaWriter::VilaWriter(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {}

VilaWriter::~VilaWriter() = default;

void VilaWriter::add_file(const std::string& name, const std::string& content) {
  state_->place({{"name", name}}, content, state_->files);
}

void VilaWriter::add(const std::string& part, const std::string& name, const Tensor& tensor) {
  const auto extents = tensor.shape().extents();
  state_->place({{"part", part},
                 {"name", name},
                 {"dtype", dtype_name(tensor.dtype())},
                 {"shape", std::vector<int64_t>(extents.begin(), extents.end())}},
                bytes_of(tensor), state_->tensors);
}

void VilaWriter::add(const std::string& part, const std::string& name, const PackedMatrix& matrix) {
  state_->place({{"part", part},
                 {"name", name},
                 {"out", matrix.out},
                 {"in", matrix.in},
                 {"group", matrix.group},
                 {"bits", matrix.bits},
                 {"has_offsets", matrix.has_offsets},
                 {"is_narrow", matrix.is_narrow}},
                bytes_of(matrix.data), state_->matrices);
}

void VilaWriter::commit() {
  const std::string header =
      Json{{"files", state_->files}, {"tensors", state_->tensors}, {"matrices", state_->matrices}}
          .dump();
  state_->file.append(header);
  std::string head(kMagic);
  append_number(head, kVersion);
  append_number(head, checksum(header));
  append_number(head, static_cast<uint64_t>(header.size()));
  append_number(head, static_cast<uint64_t>(state_->size));
  state_->file.overwrite(0, head);
  state_->file.commit();
}

void write_vila(const std::filesystem::path& path, const ModelPackage& package) {
  VilaWriter writer(path);
  for (const auto& [name, content] : package.files)
    writer.add_file(name, content);
  for (const auto& [part, tensors] : package.parts) {
    for (const auto& [name, tensor] : tensors)
      writer.add(part, name, tensor);
  }
  for (const auto& [part, matrices] : package.quantised) {
    for (const auto& [name, matrix] : matrices)
      writer.add(part, name, matrix.pack());
  }
  writer.commit();
}

}  // namespace vila::formats
