// SPDX-License-Identifier: Apache-2.0
#include "formats/weight_file.h"

#include "base/file.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"

namespace vila::formats {

WeightFile open_weight_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (looks_like_zip(file.bytes()) || looks_like_legacy_torch(file.bytes())) {
    TorchFile torch = read_torch_file(path);
    return {std::move(torch.tensors), std::move(torch.file)};
  }
  SafetensorsFile safetensors = read_safetensors(path);
  return {std::move(safetensors.tensors), std::move(safetensors.file)};
}

TensorMap read_weight_file(const std::filesystem::path& path) {
  return open_weight_file(path).tensors;
}

}  // namespace vila::formats
