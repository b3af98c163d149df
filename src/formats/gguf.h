// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "formats/ggml_blocks.h"
#include "tensor/tensor.h"

namespace vila::formats {

/// A value of the metadata. Integers of any width are int64_t, floats double; lists hold one kind.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

/// A tensor as it stands in the file: blocks of its type, row-major; the last extent is the file's
/// first.
struct GgufTensor {
  GgmlType type = GgmlType::f32;
  Shape shape;
  std::span<const std::byte> data;
};

/// A GGUF file, mapped. Immutable; tensors taken from it keep the map alive.
struct GgufFile {
  std::shared_ptr<const MappedFile> file;
  GgufMetadata metadata;
  std::map<std::string, GgufTensor, std::less<>> tensors;

  std::string source() const { return file->path().string(); }
};

/// Whether the first bytes are those of a GGUF file.
bool looks_like_gguf(std::span<const std::byte> file) noexcept;

/// Maps a file of version 2 or 3 (little-endian) and checks its whole header: types, lengths, that
/// each tensor's rows are whole blocks inside the file, aligned and without overlap.
/// @throws Error{invalid_model} naming file, key or tensor, expected and found; Error{not_found}.
/// Source: docs/gguf.md of ggml-org/ggml. See docs/formats.md.
GgufFile read_gguf(const std::filesystem::path& path);

/// The tensor in numbers: a view for F32, F16 and BF16, an owning f32 copy of the others.
/// @throws Error{invalid_model} naming file and tensor when it is absent.
Tensor gguf_tensor(const GgufFile& file, std::string_view name);

/// The value of `key` as T (bool, int64_t, double, std::string or one of the lists).
/// @throws Error{invalid_model} when it is absent or of another kind; an integer passes as double.
template <typename T>
T gguf_require(const GgufFile& file, std::string_view key);

/// The same, or `fallback` when it is absent.
template <typename T>
T gguf_get(const GgufFile& file, std::string_view key, const T& fallback) {
  return file.metadata.contains(key) ? gguf_require<T>(file, key) : fallback;
}

/// A tensor of f32, f16 or bf16 to be written: as it is, or rounded to blocks
/// (ggml_quantise.h). @pre blocks: a matrix of whole blocks
struct GgufRow {
  std::string name;
  Tensor tensor;
  std::optional<GgmlType> blocks{};
};

/// Writes a file of version 3 that appears only when complete; integers are written as u32 where
/// they fit, floats as f32, as llama.cpp expects its keys.
/// @throws Error{insufficient_disk | failed}
void write_gguf(const std::filesystem::path& path, const GgufMetadata& metadata,
                std::span<const GgufRow> tensors);

}  // namespace vila::formats
