// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/tensor.h"

namespace vila::formats {

/// A tensor and its name, to be written.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// The content of one .safetensors file. Tensors are views into the mapped file, which each of them
/// keeps alive; one whose offset is no multiple of its element size is an owning copy. Immutable.
struct SafetensorsFile {
  std::map<std::string, Tensor, std::less<>> tensors;
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const MappedFile> file{};  // what the tensors are views of
};

/// Maps a file and checks its whole header: lengths, dtypes, shapes (products without overflow),
/// offsets inside the file, in order, without holes or overlaps, as the format demands.
/// @throws Error{invalid_model} with file, tensor, what was expected and found; Error{not_found}.
/// Source: the format's README (huggingface/safetensors). See docs/formats.md.
SafetensorsFile read_safetensors(const std::filesystem::path& path);

/// Writes a file that appears only when complete. The data start at a multiple of 64 bytes and the
/// tensors stand by falling element size, else in the order given, so that each is aligned.
/// @throws Error{insufficient_disk | failed}
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace vila::formats
