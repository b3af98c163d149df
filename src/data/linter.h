// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "data/findings.h"
#include "data/labelling.h"
#include "data/picture_census.h"

namespace vila::data {

/// What a set is used for: leakage is what stands in both.
enum class Split { train, validation };

/// One set of a check and what it is for.
struct CheckSet {
  std::shared_ptr<const Dataset> dataset;
  Split split = Split::train;
};

/// What `vila data check` looks at. A value.
struct CheckOptions {
  PictureCheck pictures = PictureCheck::decode;  // with stat, pictures are told apart by name alone
  LabelRule labels = {};                         // without a tokenizer lengths are not checked
  int64_t max_length = 0;                        // rows that the model takes, 0: no limit
  std::vector<std::filesystem::path> held_out = {};  // files of concepts that training must not see
  int threads = 1;
};

/// Lints sets before training, all rules of docs/data.md. What is wrong with the data is found, not
/// thrown. @throws Error{not_found} for a held-out file that is missing.
CheckReport check_data(std::span<const CheckSet> sets, const CheckOptions& options);

}  // namespace vila::data
