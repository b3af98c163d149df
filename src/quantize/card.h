// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/json.h"
#include "quantize/layer.h"

namespace vila::quantize {

/// The file of a quantised model that holds its card.
inline constexpr const char* kCardFile = "quantization.json";

/// How well a text is predicted before and after.
struct PerplexityChange {
  double before = 0;
  double after = 0;
  int64_t tokens = 0;  // predictions
  std::string text;    // name of the file
};

/// What is known of how a model was quantised and what it cost.
struct Card {
  Method method = Method::awq;
  GridOptions grid;
  std::string head;         // "8 bits a row", "as it was"
  std::string vision{};     // the same of tower and projector; empty: the model has none
  std::string calibration;  // of what
  std::string version;      // of this program
  std::optional<PerplexityChange> perplexity{};
};

/// {"method", "bits", "group", "head", "vision"?, "calibration", "version", "layers": [{"layer",
/// "mean_square", "relative"}], "relative_error", "perplexity"?: {"before", "after",
/// "change_percent", …}}.
/// @param layers  files of quantise_model().
Json card_json(const Card& card, std::span<const std::filesystem::path> layers);

/// The same for a person, one line for each layer.
std::string card_text(const Json& card);

}  // namespace vila::quantize
