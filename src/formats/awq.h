// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "formats/mapped_pages.h"
#include "formats/quantised_matrix.h"
#include "formats/weight_file.h"
#include "tensor/q4_layout.h"

namespace vila::formats {

/// How a file packs the 4-bit codes of a Linear. See docs/formats.md for the bits.
enum class AwqLayout {
  gemm,        // AutoAWQ "gemm", llm-awq of 2023-05
  gemv,        // AutoAWQ "gemv", llm-awq v1 of 2023-09
  v2,          // llm-awq since 2024-02, AutoAWQ "gemv_fast": the offsets stand in the file
  marlin,      // AutoAWQ "marlin": symmetric, zero 8
  awq_marlin,  // vLLM's: gemm's codes and zeros in Marlin's order
};

/// "gemm", "gemv", …
std::string_view awq_layout_name(AwqLayout layout) noexcept;

/// The tensors of one quantised Linear as they stand in the file.
struct AwqTensors {
  Tensor qweight;
  Tensor zeros;  // "qzeros" or "scaled_zeros"; undefined: symmetric
  Tensor scales;
};

/// The layout, told by dtypes and shapes. @throws Error{invalid_model} naming `where`.
AwqLayout awq_layout(const AwqTensors& tensors, const std::string& where);

/// The codes, scales and offsets in our own layout; every value is kept exactly.
/// @param group  columns that share a scale: from the config, needed by gemv and v2, whose scales
///   are padded; the others say it by their shapes.
/// @throws Error{invalid_model} naming `where` when shapes, dtypes and group do not fit together.
/// Source: the packers of llm-awq (awq/quantize/qmodule.py), AutoAWQ (awq/modules/linear) and vLLM
/// (marlin_utils.py).
Q4Matrix unpack_awq(const AwqTensors& tensors, int64_t group, const std::string& where);

/// Where quantised Linears come from.
struct AwqOrigin {
  std::string name;  // for messages
  FileMaps files{};  // that the tensors are views of: a matrix's pages are given back once packed
};

/// Takes the tensors X.qweight, X.scales, X.qzeros or X.scaled_zeros out of the map and gives the
/// matrices by the name X.weight; codes are read when one is asked for. All else (X.bias,
/// embeddings, a tower in half precision) stays.
/// @throws Error{invalid_model} naming source.name and X.
QuantisedMap take_awq_linears(TensorMap& tensors, int64_t group, const AwqOrigin& source);

/// What the files beside the weights say: `quantization_config` of config.json, or AutoAWQ's older
/// quant_config.json and quantize_config.json, or a "-g128-" in the name of the weight file.
/// @return the group; 128 where nothing is said.
/// @throws Error{invalid_model} when another method than AWQ or other than 4 bits are named.
int64_t awq_group(const std::filesystem::path& weight_file);

}  // namespace vila::formats
