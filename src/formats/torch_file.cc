// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "formats/pickle.h"
#include "formats/zip_directory.h"

namespace vila::formats {
namespace {

constexpr std::string_view kTree = "data.pkl";
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr size_t kMaxCheckedBytes = size_t{256} << 20;
constexpr int kMaxDepth = 8;
constexpr int64_t kMaxVisits = int64_t{1} << 20;
constexpr int64_t kMaxCopies = 2;  // bytes copied, in sizes of the file

struct StorageRow {
  DType dtype;
  std::string_view name;
};

constexpr std::array<StorageRow, 10> kStorages = {{{DType::f32, "torch.FloatStorage"},
                                                   {DType::f16, "torch.HalfStorage"},
                                                   {DType::bf16, "torch.BFloat16Storage"},
                                                   {DType::f64, "torch.DoubleStorage"},
                                                   {DType::i64, "torch.LongStorage"},
                                                   {DType::i32, "torch.IntStorage"},
                                                   {DType::i16, "torch.ShortStorage"},
                                                   {DType::i8, "torch.CharStorage"},
                                                   {DType::u8, "torch.ByteStorage"},
                                                   {DType::boolean, "torch.BoolStorage"}}};

constexpr std::array<std::string_view, 13> kGlobals = {
    "collections.OrderedDict", kRebuildTensor,    kRebuildParameter, kStorages[0].name,
    kStorages[1].name,         kStorages[2].name, kStorages[3].name, kStorages[4].name,
    kStorages[5].name,         kStorages[6].name, kStorages[7].name, kStorages[8].name,
    kStorages[9].name};

/// A run of elements in the file that tensors are cut from.
struct Storage {
  DType dtype = DType::f32;
  const std::byte* data = nullptr;
  int64_t numel = 0;
};

/// Offset, shape and strides of a tensor in its storage, in elements.
struct Cut {
  int64_t offset = 0;
  Shape shape;
  Shape strides;
};

bool is_contiguous(const Cut& cut) {
  int64_t expected = 1;
  for (int axis = cut.shape.rank() - 1; axis >= 0; --axis) {
    if (cut.shape[axis] != 1 && cut.strides[axis] != expected) return false;
    expected *= cut.shape[axis];
  }
  return true;
}

/// Copies the elements of `cut` in row-major order.
void gather(const Storage& storage, const Cut& cut, std::byte* target) {
  const size_t size = dtype_size(storage.dtype);
  const int rank = cut.shape.rank();
  std::array<int64_t, Shape::kMaxRank> index{};
  const int64_t numel = cut.shape.numel();
  for (int64_t i = 0; i < numel; ++i) {
    int64_t at = cut.offset;
    for (int axis = 0; axis < rank; ++axis)
      at += index[static_cast<size_t>(axis)] * cut.strides[axis];
    std::memcpy(target + static_cast<size_t>(i) * size,
                storage.data + static_cast<size_t>(at) * size, size);
    for (int axis = rank - 1; axis >= 0; --axis) {
      if (++index[static_cast<size_t>(axis)] < cut.shape[axis]) break;
      index[static_cast<size_t>(axis)] = 0;
    }
  }
}

/// Turns the tree of one file into tensors.
class TensorReader {
 public:
  explicit TensorReader(const std::filesystem::path& path)
      : file_(std::make_shared<const MappedFile>(path)), source_(path.string()) {}

  TorchFile read();

 private:
  template <typename... Args>
  [[noreturn]] void reject(const std::string& name, fmt::format_string<Args...> format,
                           Args&&... args) const {
    fail(ErrorCode::invalid_model, "{}: \"{}\": {}", source_, name,
         fmt::format(format, std::forward<Args>(args)...));
  }

  std::span<const std::byte> content(const ZipEntry& entry) const {
    return file_->bytes().subspan(static_cast<size_t>(entry.offset),
                                  static_cast<size_t>(entry.size));
  }

  void find_folder();
  void check_byte_order() const;
  void check_contents() const;
  void visit(uint32_t node, const std::string& name, int depth);
  void visit_items(const PickleNode& node, const std::string& name, int depth);
  std::string key_text(uint32_t key, const std::string& name) const;
  void keep(const std::string& name, Tensor tensor);
  Tensor tensor_of(const PickleNode& call, const std::string& name);
  Storage storage_of(uint32_t node, const std::string& name) const;
  int64_t integer(uint32_t node, const std::string& name) const;
  Shape extents(uint32_t node, const std::string& name) const;
  void check_cut(const Cut& cut, const Storage& storage, const std::string& name) const;
  Tensor take(const Storage& storage, const Cut& cut, const std::string& name);

  std::shared_ptr<const MappedFile> file_;
  std::string source_;
  ZipDirectory directory_;
  std::string folder_;  // all members stand in it, its name ends in '/'
  Pickle pickle_;
  TorchFile result_;
  int64_t visits_ = 0;
  size_t copied_ = 0;
};

/// All members stand in one folder, whose name is the writer's choice; some tools leave it out.
void TensorReader::find_folder() {
  for (const auto& [name, entry] : directory_) {
    const bool is_tree =
        name == kTree || (name.ends_with(kTree) && name[name.size() - kTree.size() - 1] == '/');
    if (!is_tree) continue;
    folder_ = name.substr(0, name.size() - kTree.size());
    return;
  }
  fail(ErrorCode::invalid_model,
       "{}: expected a file of torch.save, found a zip file without \"{}\"", source_, kTree);
}

void TensorReader::check_byte_order() const {
  const auto found = directory_.find(folder_ + "byteorder");
  if (found == directory_.end()) return;
  const std::span<const std::byte> bytes = content(found->second);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (order != "little") {
    fail(ErrorCode::invalid_model, "{}: expected byte order \"little\", found \"{}\"", source_,
         order.substr(0, 16));
  }
}

void TensorReader::check_contents() const {
  for (const auto& [name, entry] : directory_) {
    const bool is_data = name.starts_with(folder_ + "data/");
    if (is_data && file_->bytes().size() > kMaxCheckedBytes) continue;
    check_zip_entry(content(entry), entry, name, source_);
  }
}

TorchFile TensorReader::read() {
  if (!looks_like_zip(file_->bytes())) {
    fail(ErrorCode::invalid_model, "{}: expected a file of torch.save, found {}", source_,
         looks_like_legacy_torch(file_->bytes())
             ? "its form of before PyTorch 1.6; load it with PyTorch and save it again with "
               "torch.save, or as safetensors"
             : "another format");
  }
  directory_ = read_zip_directory(file_->bytes(), source_);
  find_folder();
  check_contents();
  check_byte_order();
  const ZipEntry& tree = directory_.find(folder_ + std::string(kTree))->second;
  pickle_ = read_pickle(content(tree), {.globals = kGlobals}, source_);
  visit(pickle_.root, "", 0);
  result_.file = file_;
  return std::move(result_);
}

/// Values other than tensors and strings (numbers, options of a training run) are left out.
void TensorReader::visit(uint32_t node, const std::string& name, int depth) {
  if (depth > kMaxDepth || ++visits_ > kMaxVisits) {
    reject(name, "expected tensors in at most {} nested containers and {} values, found more",
           kMaxDepth, kMaxVisits);
  }
  const PickleNode& value = pickle_[node];
  switch (value.kind) {
    case PickleKind::call:
      return keep(name, tensor_of(value, name));
    case PickleKind::text:
      result_.texts[name] = value.text;
      return;
    case PickleKind::dict:
    case PickleKind::list:
    case PickleKind::tuple:
      return visit_items(value, name, depth);
    case PickleKind::global:
    case PickleKind::persistent:
      reject(name, "expected a tensor or a plain value, found {}", pickle_kind_name(value.kind));
    default:
      return;
  }
}

void TensorReader::visit_items(const PickleNode& node, const std::string& name, int depth) {
  const std::string prefix = depth == 0 ? "" : name + ".";
  if (node.kind == PickleKind::dict) {
    for (size_t i = 0; i + 1 < node.items.size(); i += 2)
      visit(node.items[i + 1], prefix + key_text(node.items[i], name), depth + 1);
    return;
  }
  for (size_t i = 0; i < node.items.size(); ++i)
    visit(node.items[i], fmt::format("{}{}", prefix, i), depth + 1);
}

std::string TensorReader::key_text(uint32_t key, const std::string& name) const {
  const PickleNode& node = pickle_[key];
  if (node.kind == PickleKind::text) return node.text;
  if (node.kind == PickleKind::integer) return std::to_string(node.integer);
  reject(name, "expected strings or integers as keys, found {}", pickle_kind_name(node.kind));
}

void TensorReader::keep(const std::string& name, Tensor tensor) {
  if (!result_.tensors.emplace(name, std::move(tensor)).second) {
    reject(name, "expected one tensor of this name, found two");
  }
}

/// _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata]), or a
/// parameter: _rebuild_parameter(tensor, requires_grad, hooks).
Tensor TensorReader::tensor_of(const PickleNode& call, const std::string& name) {
  const std::string& function = pickle_[call.items[0]].text;
  const std::vector<uint32_t>& arguments = pickle_[call.items[1]].items;
  if (function == kRebuildParameter && arguments.size() == 3) {
    const PickleNode& data = pickle_[arguments[0]];
    if (data.kind == PickleKind::call && pickle_[data.items[0]].text == kRebuildTensor) {
      return tensor_of(data, name);
    }
  }
  if (function != kRebuildTensor || (arguments.size() != 6 && arguments.size() != 7)) {
    reject(name, "expected a tensor, found {} with {} arguments", function, arguments.size());
  }
  const Storage storage = storage_of(arguments[0], name);
  const Cut cut{integer(arguments[1], name), extents(arguments[2], name),
                extents(arguments[3], name)};
  check_cut(cut, storage, name);
  return take(storage, cut, name);
}

/// The persistent id ("storage", type, key, device, elements) and the member that it names.
Storage TensorReader::storage_of(uint32_t node, const std::string& name) const {
  const PickleNode& outside = pickle_[node];
  const PickleNode* id = nullptr;
  if (outside.kind == PickleKind::persistent) id = &pickle_[outside.items[0]];
  if (id == nullptr || id->kind != PickleKind::tuple || id->items.size() != 5 ||
      pickle_[id->items[0]].text != "storage" || pickle_[id->items[2]].kind != PickleKind::text) {
    reject(name, "expected (\"storage\", type, key, device, elements), found something else");
  }
  const PickleNode& type = pickle_[id->items[1]];
  const auto* row = std::ranges::find(kStorages, type.text, &StorageRow::name);
  if (type.kind != PickleKind::global || row == kStorages.end()) {
    reject(name, "expected the type of a storage, found {}", pickle_kind_name(type.kind));
  }
  const std::string member = folder_ + "data/" + pickle_[id->items[2]].text;
  const auto entry = directory_.find(member);
  if (entry == directory_.end()) reject(name, "expected its data in \"{}\", found none", member);
  const int64_t numel = integer(id->items[4], name);
  const auto bytes = checked_product(numel, static_cast<int64_t>(dtype_size(row->dtype)));
  if (!bytes || static_cast<uint64_t>(*bytes) != entry->second.size) {
    reject(name, "expected {} elements of {} in \"{}\", found {} bytes", numel,
           dtype_name(row->dtype), member, entry->second.size);
  }
  return {row->dtype, content(entry->second).data(), numel};
}

int64_t TensorReader::integer(uint32_t node, const std::string& name) const {
  const PickleNode& value = pickle_[node];
  if (value.kind != PickleKind::integer || value.integer < 0) {
    reject(name, "expected a whole number >= 0, found {}",
           value.kind == PickleKind::integer ? "a negative one" : pickle_kind_name(value.kind));
  }
  return value.integer;
}

Shape TensorReader::extents(uint32_t node, const std::string& name) const {
  const PickleNode& value = pickle_[node];
  if (value.kind != PickleKind::tuple || value.items.size() > size_t{Shape::kMaxRank}) {
    reject(name, "expected at most {} extents or strides, found {} of {}", Shape::kMaxRank,
           pickle_kind_name(value.kind), value.items.size());
  }
  std::vector<int64_t> numbers;
  for (const uint32_t item : value.items)
    numbers.push_back(integer(item, name));
  return Shape(numbers);
}

/// The last element must lie in the storage, and no tensor may have more elements than its storage:
/// a file that repeats one element a billion times costs memory that it does not have itself.
void TensorReader::check_cut(const Cut& cut, const Storage& storage,
                             const std::string& name) const {
  if (cut.shape.rank() != cut.strides.rank()) {
    reject(name, "expected as many strides as extents, found {} and {}", cut.strides.text(),
           cut.shape.text());
  }
  std::optional<int64_t> numel = 1;
  int64_t last = cut.offset;
  bool fits = true;
  for (int axis = 0; axis < cut.shape.rank(); ++axis) {
    if (numel) numel = checked_product(*numel, std::max<int64_t>(cut.shape[axis], 1));
    const auto step = checked_product(std::max<int64_t>(cut.shape[axis] - 1, 0), cut.strides[axis]);
    fits = fits && step && !__builtin_add_overflow(last, *step, &last);
  }
  const bool is_empty = numel && cut.shape.numel() == 0;
  if (!numel || (!is_empty && (!fits || last >= storage.numel || *numel > storage.numel))) {
    reject(name, "expected {} with strides {} at {} inside the {} elements of its storage",
           cut.shape.text(), cut.strides.text(), cut.offset, storage.numel);
  }
}

Tensor TensorReader::take(const Storage& storage, const Cut& cut, const std::string& name) {
  if (cut.shape.numel() == 0) return Tensor::empty(storage.dtype, cut.shape);
  const size_t size = dtype_size(storage.dtype);
  const std::byte* data = storage.data + static_cast<size_t>(cut.offset) * size;
  if (is_contiguous(cut) && reinterpret_cast<uintptr_t>(data) % size == 0) {
    return Tensor::view(storage.dtype, cut.shape, data, file_);
  }
  copied_ += static_cast<size_t>(cut.shape.numel()) * size;
  if (copied_ > kMaxCopies * file_->bytes().size()) {
    reject(name, "expected tensors of at most {} times the file's size, found more", kMaxCopies);
  }
  Tensor copy = Tensor::empty(storage.dtype, cut.shape);
  gather(storage, cut, static_cast<std::byte*>(copy.raw()));
  return copy;
}

bool has_bytes_at(std::span<const std::byte> file, size_t at, std::string_view bytes) noexcept {
  return file.size() >= at + bytes.size() &&
         std::memcmp(file.data() + at, bytes.data(), bytes.size()) == 0;
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> file) noexcept {
  return has_bytes_at(file, 0, "PK\x03\x04");
}

bool looks_like_legacy_torch(std::span<const std::byte> file) noexcept {
  constexpr std::string_view kMagicNumber("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20", 10);
  constexpr size_t kTarMarkOffset = 257;
  return has_bytes_at(file, 0, kMagicNumber) || has_bytes_at(file, kTarMarkOffset, "ustar");
}

TorchFile read_torch_file(const std::filesystem::path& path) {
  return TensorReader(path).read();
}

}  // namespace vila::formats
