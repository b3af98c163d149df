// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/sample.h"
#include "spec/prompt.h"

namespace vila::data {

/// How a sample becomes ids and labels. A view: the tokenizer and the template outlive it.
struct LabelRule {
  const text::Tokenizer* tokenizer = nullptr;         // not null
  const text::ChatTemplate* chat_template = nullptr;  // for conversations
  bool is_plain = false;  // pairs in the "plain" template (stage align), else as documents
  int64_t tokens_per_image = 0;
};

/// Ids and labels of a sample before pictures are spliced in: pairs by label_plain() or
/// "<image>" + caption as a document, documents and text by label_document(), conversations by
/// label_conversation(). @pre rule.chat_template for conversations.
/// @throws Error{invalid_argument} turns that do not alternate from the user.
spec::LabelledIds label_sample(const Sample& sample, const LabelRule& rule);

/// Rows of the language model that a sample takes with its pictures spliced in.
int64_t spliced_length(const spec::LabelledIds& labelled, int64_t tokens_per_image);

}  // namespace vila::data
