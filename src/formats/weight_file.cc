// SPDX-License-Identifier: Apache-2.0
#include "formats/weight_file.h"

#include "base/file.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"

namespace vila::formats {

TensorMap read_weight_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  if (looks_like_zip(file.bytes()) || looks_like_legacy_torch(file.bytes())) {
    return read_torch_file(path).tensors;
  }
  return read_safetensors(path).tensors;
}

}  // namespace vila::formats
