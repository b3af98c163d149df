// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace vila::test {

/// A string as a pickle pushes it; shorter than 256 bytes.
std::string pickled_text(const std::string& value);

/// What pickles a tensor for torch.save: its storage (type, key, elements) and its cut. Numbers are
/// below 256.
struct TorchTensorProgram {
  std::string type = "FloatStorage";
  std::string key = "0";
  int numel = 6;
  int offset = 0;
  std::vector<int> shape = {2, 3};
  std::vector<int> strides = {3, 1};

  std::string bytes() const;
};

/// A tuple of numbers below 256, pickled.
std::string pickled_numbers(const std::vector<int>& values);

/// The bytes of a file of torch.save whose dict has these names, each the f32 tensor [0, 1] of its
/// own storage.
std::string build_torch_file(const std::vector<std::string>& names);

}  // namespace vila::test
