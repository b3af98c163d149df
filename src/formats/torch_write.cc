// SPDX-License-Identifier: Apache-2.0
#include "formats/torch_write.h"

#include <array>
#include <span>

#include "base/error.h"
#include "formats/zip_writer.h"

namespace vila::formats {
namespace {

// Opcodes of pickle protocol 2, as pickletools.py names them.
constexpr char kMark = '(';
constexpr char kEmptyDict = '}';
constexpr char kEmptyList = ']';
constexpr char kEmptyTuple = ')';
constexpr char kTuple = 't';
constexpr char kAppends = 'e';
constexpr char kSetItems = 'u';
constexpr char kGlobal = 'c';
constexpr char kReduce = 'R';
constexpr char kPersistentId = 'Q';
constexpr char kUnicode = 'X';
constexpr char kInt32 = 'J';
constexpr char kLong = '\x8a';  // LONG1: a byte count, then two's complement
constexpr char kFalse = '\x89';
constexpr char kStop = '.';
constexpr std::string_view kProtocol = "\x80\x02";

const char* storage_name(DType dtype) {
  constexpr std::array<const char*, 10> kNames = {
      "FloatStorage", "HalfStorage",  "BFloat16Storage", "DoubleStorage", "LongStorage",
      "IntStorage",   "ShortStorage", "CharStorage",     "ByteStorage",   "BoolStorage"};
  return kNames[static_cast<size_t>(dtype)];
}

// Pickles one value and remembers the tensors in the order of their keys.
class Pickler {
 public:
  std::string pickle(const TorchValue& value) {
    bytes_ = kProtocol;
    put(value);
    return bytes_ + kStop;
  }

  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  void put(const TorchValue& value) {
    switch (value.kind) {
      case TorchValue::Kind::tensor:
        return put(value.tensor);
      case TorchValue::Kind::text:
        return put(value.text);
      case TorchValue::Kind::list:
        bytes_ += kEmptyList;
        return put_items(value, kAppends);
      case TorchValue::Kind::tuple:
        return put_items(value, kTuple);
      case TorchValue::Kind::dict:
        return put_dict(value);
    }
  }

  void put_items(const TorchValue& value, char last) {
    bytes_ += kMark;
    for (const TorchValue& item : value.items)
      put(item);
    bytes_ += last;
  }

  void put_dict(const TorchValue& value) {
    bytes_ += kEmptyDict;
    bytes_ += kMark;
    for (const auto& [key, item] : value.rows) {
      put(key);
      put(item);
    }
    bytes_ += kSetItems;
  }

  void put_little_endian(uint64_t value, int size) {
    for (int i = 0; i < size; ++i)
      bytes_ += static_cast<char>(value >> (8 * i) & 0xff);
  }

  void put(const std::string& text) {
    bytes_ += kUnicode;
    put_little_endian(text.size(), 4);
    bytes_ += text;
  }

  void put(int64_t value) {
    constexpr int64_t kMaxInt32 = 0x7fffffff;
    const bool is_short = value <= kMaxInt32;
    bytes_ += is_short ? kInt32 : kLong;
    if (!is_short) bytes_ += '\x08';
    put_little_endian(static_cast<uint64_t>(value), is_short ? 4 : 8);
  }

  void put_global(std::string_view module, std::string_view name) {
    bytes_ += kGlobal;
    bytes_ += module;
    bytes_ += '\n';
    bytes_ += name;
    bytes_ += '\n';
  }

  void put_tuple(std::span<const int64_t> numbers) {
    bytes_ += kMark;
    for (const int64_t number : numbers)
      put(number);
    bytes_ += kTuple;
  }

  // _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)
  void put(const Tensor& tensor) {
    put_global("torch._utils", "_rebuild_tensor_v2");
    bytes_ += kMark;
    put_storage(tensor);
    put(int64_t{0});
    put_tuple(tensor.shape().extents());
    std::vector<int64_t> strides(static_cast<size_t>(tensor.rank()), 1);
    for (int axis = tensor.rank() - 2; axis >= 0; --axis) {
      strides[static_cast<size_t>(axis)] =
          strides[static_cast<size_t>(axis) + 1] * tensor.dim(axis + 1);
    }
    put_tuple(strides);
    bytes_ += kFalse;
    put_global("collections", "OrderedDict");
    bytes_ += kEmptyTuple;
    bytes_ += kReduce;
    bytes_ += kTuple;
    bytes_ += kReduce;
  }

  // The persistent id ("storage", type, key, device, elements).
  void put_storage(const Tensor& tensor) {
    bytes_ += kMark;
    put(std::string("storage"));
    put_global("torch", storage_name(tensor.dtype()));
    put(std::to_string(tensors_.size()));
    put(std::string("cpu"));
    put(tensor.numel());
    bytes_ += kTuple;
    bytes_ += kPersistentId;
    tensors_.push_back(tensor);
  }

  std::string bytes_;
  std::vector<Tensor> tensors_;
};

}  // namespace

TorchValue TorchValue::of(Tensor value) {
  return {.kind = Kind::tensor, .tensor = std::move(value)};
}

TorchValue TorchValue::of(std::string value) {
  return {.kind = Kind::text, .text = std::move(value)};
}

TorchValue TorchValue::list(std::vector<TorchValue> items) {
  return {.kind = Kind::list, .items = std::move(items)};
}

TorchValue TorchValue::tuple(std::vector<TorchValue> items) {
  return {.kind = Kind::tuple, .items = std::move(items)};
}

TorchValue TorchValue::dict(std::vector<std::pair<std::string, TorchValue>> rows) {
  return {.kind = Kind::dict, .rows = std::move(rows)};
}

void write_torch_file(const std::filesystem::path& path, const TorchValue& value) {
  const std::string folder = path.stem().string() + "/";
  Pickler pickler;
  ZipWriter zip(path);
  zip.add(folder + "data.pkl", pickler.pickle(value));
  zip.add(folder + "byteorder", std::string_view("little"));
  for (size_t key = 0; key < pickler.tensors().size(); ++key) {
    const Tensor& tensor = pickler.tensors()[key];
    zip.add(folder + "data/" + std::to_string(key),
            std::span(static_cast<const std::byte*>(tensor.raw()), tensor.nbytes()));
  }
  zip.add(folder + "version", std::string_view("3\n"));
  zip.finish();
}

}  // namespace vila::formats
