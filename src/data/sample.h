// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "data/image_source.h"
#include "text/chat_template.h"

namespace vila::data {

/// The four forms in which training data comes (docs/data.md).
enum class Kind {
  pairs,          // a picture and its caption: COYO-like JSONL, or a webdataset .tar
  documents,      // running text with pictures in it: MMC4 JSONL
  conversations,  // questions and answers about pictures or none: LLaVA JSON
  text,           // text alone: JSONL
};

/// One row of a data set, pictures still undecoded. A value.
struct Sample {
  Kind kind = Kind::text;
  std::string id;
  std::vector<ImageSource> images;   // in the order of the placeholders
  std::string text;                  // caption; document with "<image>" in place; or text
  std::vector<text::Message> turns;  // conversations; "<image>" in their content
  std::string label;                 // the row's "concept", "" if none
};

/// How often "<image>" stands in the texts that carry placeholders: one for a pair (its caption has
/// none), none for text, else as found.
int64_t count_placeholders(const Sample& sample);

}  // namespace vila::data
