// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/json.h"
#include "data/sample.h"

namespace vila::data {

/// What a row's JSON alone does not tell. A view: valid during the call.
struct RowContext {
  const std::string& where;                 // named in messages, e.g. "captions.jsonl:12 (row 11)"
  const std::filesystem::path& image_root;  // pictures are relative to it
};

/// Rows of the four kinds. Unknown members are ignored.
/// @throws Error{invalid_data} naming the row, the member and what was found.

/// {"id"?, "image", "text" (or "caption"), "concept"?}. LazyCoyoDataset's rule: a literal "<image>"
/// in the caption becomes "<IMAGE>".
Sample parse_pair(const Json& row, const RowContext& context);

/// {"id"?, "text_list": [...], "image_info": [{"image_name", "matched_text_index"}]}, "url" serving
/// as id where there is none. LazyMMC4Dataset's rule (docs/data.md).
Sample parse_document(const Json& row, const RowContext& context);

/// {"id"?, "image": name | [names] | absent, "conversations": [{"from", "value"}]}, M24's rule for
/// the placeholders (docs/data.md). Or a test question, {"id"?, "images"?, "prompt", "answer"?},
/// with the prompt as it stands.
Sample parse_conversation(const Json& row, const RowContext& context);

/// {"id"?, "text"}; a literal "<image>" becomes "<IMAGE>", since there is no picture to put there.
Sample parse_text(const Json& row, const RowContext& context);

/// "<image>" in text that came from elsewhere, made harmless: "<IMAGE>".
std::string escape_placeholders(std::string text);

}  // namespace vila::data
