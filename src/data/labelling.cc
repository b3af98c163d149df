// SPDX-License-Identifier: Apache-2.0
#include "data/labelling.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace vila::data {

spec::LabelledIds label_sample(const Sample& sample, const LabelRule& rule) {
  VILA_CHECK(rule.tokenizer != nullptr);
  if (sample.kind == Kind::conversations) {
    VILA_CHECK(rule.chat_template != nullptr, "conversations need a template");
    return spec::label_conversation(*rule.tokenizer, *rule.chat_template, sample.turns);
  }
  if (sample.kind != Kind::pairs) return spec::label_document(*rule.tokenizer, sample.text);
  if (rule.is_plain) return spec::label_plain(*rule.tokenizer, sample.text);
  return spec::label_document(*rule.tokenizer, std::string(spec::kImagePlaceholder) + sample.text);
}

int64_t spliced_length(const spec::LabelledIds& labelled, int64_t tokens_per_image) {
  const auto images = std::ranges::count(labelled.ids, spec::kImageToken);
  return static_cast<int64_t>(labelled.ids.size()) + images * (tokens_per_image - 1);
}

}  // namespace vila::data
