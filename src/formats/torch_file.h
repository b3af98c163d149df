// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "tensor/tensor.h"

namespace vila::formats {

/// The content of a file that torch.save wrote. Names are paths: keys of dicts and indices of lists
/// and tuples, joined by '.', so that a state dict has its own names and the third of a list under
/// "scale" is "scale.2". Tensors are views into the mapped file, which each of them keeps alive;
/// those that are not contiguous or not aligned are owning copies. Immutable.
struct TorchFile {
  std::map<std::string, Tensor, std::less<>> tensors;
  std::map<std::string, std::string> texts;  // strings among them, e.g. names in AWQ search results
  std::shared_ptr<const MappedFile> file{};  // what the tensors are views of
};

/// Whether the first bytes are those of a zip file, as PyTorch writes since version 1.6.
bool looks_like_zip(std::span<const std::byte> file) noexcept;

/// Whether they are those of PyTorch's older form (a pickle, or a tar file), which is not read.
bool looks_like_legacy_torch(std::span<const std::byte> file) noexcept;

/// Maps a file of torch.save (.bin, .pt, .pth) and reads its tensors; the file's code is not run
/// (formats/pickle.h). Checked are the zip directory, the sizes of storages, and that offset, shape
/// and strides of each tensor lie in its storage. Checksums are compared for the values' tree, and
/// for the data of files of up to 256 MiB.
/// @throws Error{invalid_model} naming file and tensor, and what to do with files of the older
/// form; Error{not_found}.
/// Source: torch/serialization.py, torch/_utils.py of PyTorch 2.5. See docs/formats.md.
TorchFile read_torch_file(const std::filesystem::path& path);

}  // namespace vila::formats
