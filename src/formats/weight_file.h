// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "tensor/tensor.h"

namespace vila::formats {

using TensorMap = std::map<std::string, Tensor, std::less<>>;

/// The content of one weight file.
struct WeightFile {
  TensorMap tensors;
  std::shared_ptr<const MappedFile> file;  // what most of the tensors are views of
};

/// A weight file, safetensors or of torch.save, told apart by its first bytes.
/// @throws as read_weight_file()
WeightFile open_weight_file(const std::filesystem::path& path);

/// The tensors of one weight file, safetensors or of torch.save, told apart by its first bytes.
/// @throws Error{invalid_model} naming file, tensor, expected and found; Error{not_found}.
TensorMap read_weight_file(const std::filesystem::path& path);

}  // namespace vila::formats
