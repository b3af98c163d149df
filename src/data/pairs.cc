// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "data/json_row.h"
#include "data/row_parser.h"
#include "spec/prompt.h"

namespace vila::data {

std::string escape_placeholders(std::string text) {
  constexpr std::string_view kPlaceholder = spec::kImagePlaceholder;
  constexpr std::string_view kHarmless = "<IMAGE>";
  for (size_t at = text.find(kPlaceholder); at != std::string::npos;
       at = text.find(kPlaceholder, at)) {
    text.replace(at, kPlaceholder.size(), kHarmless);
  }
  return text;
}

Sample parse_pair(const Json& row, const RowContext& context) {
  require_object(row, context);
  Sample sample;
  sample.kind = Kind::pairs;
  sample.id = optional_text(row, "id", context);
  const bool has_text = row.contains("text") || !row.contains("caption");
  sample.text = escape_placeholders(require_text(row, has_text ? "text" : "caption", context));
  sample.label = optional_text(row, "concept", context);
  const auto image = row.find("image");
  sample.images.push_back(require_image(image == row.end() ? Json() : *image, "image", context));
  return sample;
}

Sample parse_text(const Json& row, const RowContext& context) {
  require_object(row, context);
  Sample sample;
  sample.kind = Kind::text;
  sample.id = optional_text(row, "id", context);
  sample.text = escape_placeholders(require_text(row, "text", context));
  sample.label = optional_text(row, "concept", context);
  return sample;
}

}  // namespace vila::data
