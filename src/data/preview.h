// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/labelling.h"

namespace vila::data {

/// What `vila data preview` shows. A value.
struct PreviewOptions {
  LabelRule labels;           // without a tokenizer the text stands there uncut, with no mask
  std::vector<int64_t> rows;  // which rows; empty: `count` of them drawn by `seed`
  int64_t count = 24;
  uint64_t seed = 0;
  int64_t max_length = 0;  // tokens behind it are shown as cut off; 0: no limit
};

/// One HTML page that needs nothing beside it: of each row the pictures, and the tokens as training
/// sees them, those with loss in one colour, masked ones in another, each picture as a badge with
/// its number of rows; hovering a token shows its id and piece. Light or dark as the reader's
/// system. Text of the data cannot become markup, and the page forbids itself scripts. Rows and
/// pictures that cannot be read show the reason in their place.
/// @throws Error{invalid_argument} for a row that is not there.
std::string preview_html(const Dataset& dataset, const PreviewOptions& options);

}  // namespace vila::data
