// SPDX-License-Identifier: Apache-2.0
#include "quantize/card.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "quantize/quantiser.h"

namespace vila::quantize {

Json card_json(const Card& card, std::span<const std::filesystem::path> layers) {
  Json json = {{"method", method_name(card.method)},
               {"bits", card.grid.bits},
               {"group", card.grid.group},
               {"head", card.head},
               {"calibration", card.calibration},
               {"version", card.version},
               {"layers", Json::array()}};
  if (!card.vision.empty()) json["vision"] = card.vision;
  double sum = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerError error = read_quantised(layers[i]).error;
    json["layers"].push_back(
        {{"layer", i}, {"mean_square", error.mean_square}, {"relative", error.relative}});
    sum += error.relative;
  }
  json["relative_error"] = sum / static_cast<double>(std::max<size_t>(layers.size(), 1));
  if (card.perplexity) {
    const PerplexityChange& change = *card.perplexity;
    json["perplexity"] = {{"before", change.before},
                          {"after", change.after},
                          {"change_percent", (change.after / change.before - 1) * 100},
                          {"tokens", change.tokens},
                          {"text", change.text}};
  }
  return json;
}

std::string card_text(const Json& card) {
  std::string text = fmt::format(
      "quantised by {}: {} bits in groups of {}, head {}, vision {}, calibration {}, vila {}\n",
      card.value("method", "?"), card.value("bits", 0), card.value("group", 0),
      card.value("head", "?"), card.value("vision", "none"), card.value("calibration", "?"),
      card.value("version", "?"));
  for (const Json& layer : card.value("layers", Json::array())) {
    text += fmt::format("  layer {:>3}  error {:.4f} % of what it adds, mean square {:.3e}\n",
                        layer.value("layer", 0), layer.value("relative", 0.0) * 100,
                        layer.value("mean_square", 0.0));
  }
  text += fmt::format("  all layers  error {:.4f} %\n", card.value("relative_error", 0.0) * 100);
  const Json change = card.value("perplexity", Json());
  if (change.is_object()) {
    text += fmt::format("  perplexity {:.4f} before, {:.4f} after ({:+.2f} %), {} tokens of {}\n",
                        change.value("before", 0.0), change.value("after", 0.0),
                        change.value("change_percent", 0.0), change.value("tokens", int64_t{0}),
                        change.value("text", "?"));
  }
  return text;
}

}  // namespace vila::quantize
