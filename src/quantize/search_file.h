// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace vila::quantize {

/// Scales and clips of a model, as llm-awq stores them. A value; tensors share their memory.
struct Search {
  struct Scale {
    std::string absorber;              // "model.layers.0.input_layernorm"
    std::vector<std::string> linears;  // whose columns are multiplied
    Tensor scales;                     // f32 [K]
  };

  struct Clip {
    std::string linear;
    Tensor limits;  // f32 [out, groups]
  };

  std::vector<Scale> scales;
  std::vector<Clip> clips;

  bool empty() const { return scales.empty() && clips.empty(); }

  const Scale* scale_of(const std::string& absorber) const;
  const Clip* clip_of(const std::string& linear) const;
};

/// Reads a search result of llm-awq (`--dump_awq`) or of write_search(): a torch file with
/// {"scale": [(absorber, (linears…), scales)], "clip": [(linear, limits [out, groups, 1])]}.
/// @throws Error{invalid_model} naming the file and what is not so; Error{not_found}.
Search read_search(const std::filesystem::path& path);

/// Writes one that torch.load, and so llm-awq (`--load_awq`), reads.
/// @throws Error{insufficient_disk | failed}
void write_search(const std::filesystem::path& path, const Search& search);

}  // namespace vila::quantize
