// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/labelling.h"

namespace vila::data {

/// Counts of one quantity over all rows: extremes, mean, and a histogram by powers of two. A value.
struct Distribution {
  static constexpr size_t kBins = 32;

  int64_t rows = 0;
  int64_t sum = 0;
  int64_t least = 0;
  int64_t most = 0;
  std::array<int64_t, kBins> bins{};  // bin 0: 0; bin b: 2^(b-1) to 2^b - 1

  void add(int64_t value);

  double mean() const {
    return rows == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(rows);
  }
};

/// What `vila data stats` tells of a set. A value.
struct DataStats {
  std::string path;
  Kind kind = Kind::text;
  int64_t rows = 0;
  int64_t bad_rows = 0;  // left out of everything below
  int64_t rows_with_pictures = 0;
  int64_t distinct_pictures = 0;  // by name
  int64_t distinct_concepts = 0;
  Distribution pictures;
  Distribution turns;
  Distribution characters;
  Distribution words;
  Distribution tokens;       // rows of the language model, pictures included; with a tokenizer
  Distribution loss_tokens;  // those with loss
  int64_t distinct_words = 0;
  std::vector<std::pair<std::string, int64_t>> common_words;  // most frequent first
};

/// Counts a set. With `rule.tokenizer`, tokens as well. @param common  how many words to list.
DataStats data_stats(const Dataset& dataset, const LabelRule& rule = {}, int64_t common = 20);

/// One object; a quantity that was not counted is absent.
std::string stats_json(const DataStats& stats);

/// For a terminal: a table and, with tokens or else words, a histogram of bars.
std::string stats_text(const DataStats& stats);

}  // namespace vila::data
