// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace vila::formats {

using TensorMap = std::map<std::string, Tensor, std::less<>>;

/// The tensors of one weight file, safetensors or of torch.save, told apart by its first bytes.
/// @throws Error{invalid_model} naming file, tensor, expected and found; Error{not_found}.
TensorMap read_weight_file(const std::filesystem::path& path);

}  // namespace vila::formats
