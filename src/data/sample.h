// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "text/chat_template.h"

namespace vila::data {

/// The four forms in which training data comes (docs/training.md).
enum class Kind {
  pairs,          // COYO-like JSONL: {"id", "image", "text"}; also webdataset .tar (x.jpg + x.txt)
  documents,      // MMC4 JSONL: {"text_list", "image_info": [{"image_name", "matched_text_index"}]}
  conversations,  // LLaVA JSON array: {"id", "image": "f" or ["f", …] or absent, "conversations": [{"from", "value"}]}
  text,           // JSONL: {"text"}
};

/// One row of a data set, pictures still undecoded. A value.
struct Sample {
  Kind kind = Kind::text;
  std::string id;
  std::vector<std::filesystem::path> images;  // in the order of the placeholders
  std::string text;                           // caption; document with "<image>" in place; or text
  std::vector<text::Message> turns;           // conversations; "<image>" in their content
  std::string label;                          // pairs: the concept (the JSONL's "concept"), "" if none
};

}  // namespace vila::data
