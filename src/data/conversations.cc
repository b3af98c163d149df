// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/json_row.h"
#include "data/row_parser.h"
#include "spec/prompt.h"

namespace vila::data {
namespace {

constexpr std::string_view kPlaceholder = spec::kImagePlaceholder;
constexpr std::string_view kBlanks = " \t\n\v\f\r";

std::string_view strip(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// preprocess_multimodal of llava/data/dataset.py (M24): placeholders stay where they are, each
/// ends its line, and the text before it is set off by a blank.
std::string normalise_placeholders(std::string_view text) {
  size_t at = text.find(kPlaceholder);
  if (at == std::string_view::npos) return std::string(text);
  std::string result;
  for (; at != std::string_view::npos; at = text.find(kPlaceholder)) {
    result += strip(text.substr(0, at));
    result += " <image>\n";
    text.remove_prefix(at + kPlaceholder.size());
  }
  result += strip(text);
  return std::string(strip(result));
}

std::string role_of(const std::string& speaker, const RowContext& context) {
  if (speaker == "human" || speaker == "user") return "user";
  if (speaker == "gpt" || speaker == "assistant") return "assistant";
  fail(ErrorCode::invalid_data,
       "{}: \"from\": expected \"human\" or \"gpt\" (or \"user\", \"assistant\"), found \"{}\"",
       context.where, speaker);
}

std::vector<text::Message> read_turns(const Json& row, const RowContext& context) {
  std::vector<text::Message> turns;
  for (const Json& turn : require_array(row, "conversations", context)) {
    require_object(turn, context);
    const std::string role = role_of(require_text(turn, "from", context), context);
    turns.push_back({role, require_text(turn, "value", context)});
  }
  // preprocess_v1 of the reference leaves out a first turn that is not the user's.
  if (!turns.empty() && turns.front().role == "assistant") turns.erase(turns.begin());
  return turns;
}

std::vector<ImageSource> read_images(const Json& row, const char* key, const RowContext& context) {
  std::vector<ImageSource> images;
  const auto image = row.find(key);
  if (image == row.end() || image->is_null()) return images;
  if (!image->is_array()) return {require_image(*image, key, context)};
  for (const Json& name : *image)
    images.push_back(require_image(name, key, context));
  return images;
}

std::vector<text::Message> read_question(const Json& row, const RowContext& context) {
  std::vector<text::Message> turns = {{"user", require_text(row, "prompt", context)}};
  if (row.contains("answer")) {
    turns.push_back({"assistant", require_text(row, "answer", context)});
  }
  return turns;
}

void put_in_front(std::string& content, size_t images) {
  std::string placeholders;
  for (size_t i = 0; i < images; ++i)
    placeholders += "<image>\n";
  content.insert(0, placeholders);
}

}  // namespace

Sample parse_conversation(const Json& row, const RowContext& context) {
  require_object(row, context);
  Sample sample;
  sample.kind = Kind::conversations;
  sample.id = optional_text(row, "id", context);
  sample.label = optional_text(row, "concept", context);
  if (row.contains("prompt")) {
    sample.images = read_images(row, "images", context);
    sample.turns = read_question(row, context);
    return sample;
  }
  sample.images = read_images(row, "image", context);
  sample.turns = read_turns(row, context);
  if (sample.images.empty()) return sample;
  if (count_placeholders(sample) == 0 && !sample.turns.empty()) {
    put_in_front(sample.turns.front().content, sample.images.size());
  }
  for (text::Message& turn : sample.turns)
    turn.content = normalise_placeholders(turn.content);
  return sample;
}

}  // namespace vila::data
