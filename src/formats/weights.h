// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "formats/mapped_pages.h"
#include "formats/quantised_matrix.h"
#include "formats/weight_file.h"

namespace vila::formats {

/// The weight files of one folder, read.
struct Weights {
  TensorMap tensors;
  QuantisedMap quantised;
  std::vector<std::filesystem::path> files;
  FileMaps maps{};  // the same files; tensors are views of them
};

/// Reads the weights of one folder, by the names that its files give: the first of
/// model.safetensors, model.safetensors.index.json with its shards, pytorch_model.bin,
/// pytorch_model.bin.index.json with its shards and mm_projector.bin that is there; else the only
/// .pt file (a quantised checkpoint of llm-awq). 4-bit Linears of AWQ are `quantised`, under the
/// names of their `.weight`. The buffers `rotary_emb.inv_freq` and `embeddings.position_ids` of old
/// files are left out.
/// @throws Error{not_found | invalid_model} naming folder and file.
Weights read_weights(const std::filesystem::path& folder);

}  // namespace vila::formats
