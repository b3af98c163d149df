// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/workspace.h"

namespace vila::engine {

/// One compared thing of a recorded case, in the order of the computation.
struct VerifyRow {
  std::string name;      // "interleaved.layer.0"
  double max_abs = 0;    // largest difference; for ids: how many differ
  double relative = 0;   // max_abs as a share of the largest expected magnitude
  double tolerance = 0;  // of `relative`, or of max_abs where is_absolute
  bool is_absolute = false;
  bool is_passed = false;
  std::string note{};  // where and how it differs; empty when it passed
};

/// Runs a case folder of recorded reference results: `checkpoint/`, `inputs/prompt.json` with its
/// pictures, `expected.safetensors` with every intermediate tensor. Compares, for each prompt,
/// pixels (2e-6 absolute), token ids (exact), every tensor (3e-5 of its largest magnitude: ten
/// times the noise of f32 sums), greedy ids (exact) and the five best logits of each step. A tensor
/// that was recorded but not computed fails its row. Packed weights are multiplied with f32
/// activations, as the reference does, whatever the options say.
/// @param model  another form of the case's model to compare instead of `checkpoint/`; empty: none.
/// @throws Error{not_found | invalid_data | invalid_model} when the case cannot be run.
std::vector<VerifyRow> verify_reference(const std::filesystem::path& case_folder,
                                        const LoadOptions& options,
                                        const std::filesystem::path& model = {});

}  // namespace vila::engine
