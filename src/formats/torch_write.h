// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace vila::formats {

/// A value as torch.save takes it: a tensor, a string, or a list, tuple or dict of such values. A
/// value; tensors share their memory.
struct TorchValue {
  enum class Kind { tensor, text, list, tuple, dict };

  Kind kind = Kind::dict;
  Tensor tensor{};
  std::string text{};                                      // of a text
  std::vector<TorchValue> items{};                         // of a list or tuple
  std::vector<std::pair<std::string, TorchValue>> rows{};  // of a dict, in its order

  static TorchValue of(Tensor value);
  static TorchValue of(std::string value);
  static TorchValue list(std::vector<TorchValue> items);
  static TorchValue tuple(std::vector<TorchValue> items);
  static TorchValue dict(std::vector<std::pair<std::string, TorchValue>> rows);
};

/// Writes the zip file that torch.save would: torch.load reads it, also with weights_only=True, and
/// so does read_torch_file(). Members are stored, checksummed and aligned to 64 bytes; files and
/// offsets beyond 4 GiB take the 64-bit form. Equal values give equal bytes. The file appears only
/// when complete.
/// @throws Error{insufficient_disk | failed}
/// Source: torch/serialization.py of PyTorch 2.5; pickletools.py of Python; PKWARE's APPNOTE.TXT
/// 6.3.10. See docs/formats.md.
void write_torch_file(const std::filesystem::path& path, const TorchValue& value);

}  // namespace vila::formats
