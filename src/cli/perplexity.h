// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace vila::cli {

/// Which text, and how it is cut.
struct PerplexityText {
  std::string text;        // a file
  int64_t context = 2048;  // tokens of a window
  int64_t windows = 0;     // only the first so many; 0: all
};

/// Losses in nats.
struct Perplexity {
  std::vector<double> nll;  // mean over the predictions of each window
  double total = 0;         // summed over all predictions
  int64_t tokens = 0;       // predictions

  double mean() const { return total / static_cast<double>(tokens); }

  double value() const;  // exp of the mean
};

/// The whole text is tokenised once (beginning-of-text at its start only) and cut into windows that
/// share nothing; the first token of a window is read but not predicted.
/// @throws Error{invalid_data} a text of fewer than two tokens; Error{not_found}.
Perplexity measure_perplexity(engine::Engine& engine, const PerplexityText& text);

}  // namespace vila::cli
