// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <vector>

#include "engine/verify.h"

namespace vila::quantize {

/// Whether a folder is a recorded case of this layer: `search.safetensors` (verify_search()),
/// `summary.json` (verify_pack()) or `names.json` (verify_files()) stands in it.
bool is_quantisation_case(const std::filesystem::path& folder);

/// The case of whichever kind it is. @throws Error{not_found | invalid_data | invalid_model} when
/// it cannot be run.
std::vector<engine::VerifyRow> verify_quantisation(const std::filesystem::path& folder,
                                                   const engine::LoadOptions& options);

/// A scale and clip search of the reference, with its model and tokens. For each group: mean|x| and
/// scales (1e-5 relative), all losses (1e-3), the exponent (the same, or one whose recorded loss is
/// within 0.1 % of the least). For each Linear: clip steps (97 % the same; the sum of errors within
/// 1 % of the recorded steps'); codes, scales and zeros from the recorded scales and limits
/// (exact). Logits: the folded model equals the first (1e-5 absolute); the mean square change of
/// each recorded variant within 10 %.
std::vector<engine::VerifyRow> verify_search(const std::filesystem::path& folder,
                                             const engine::LoadOptions& options);

/// Packed Linears of the reference: every layout unpacks to the recorded codes and is written bit
/// for bit; dequantised values; products (2e-5 sqrt(in) absolute); codes, zeros and scales of the
/// recorded weights in their own arithmetic (exact); the quantiser's edge cases for 3, 4 and 8
/// bits.
std::vector<engine::VerifyRow> verify_pack(const std::filesystem::path& folder);

/// Whole files of the reference in their published layouts: logits within 1e-4 of the recorded.
std::vector<engine::VerifyRow> verify_files(const std::filesystem::path& folder,
                                            const engine::LoadOptions& options);

}  // namespace vila::quantize
