// SPDX-License-Identifier: Apache-2.0
#include "data/nano/easy_vqa.h"

#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/nano/generators.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

namespace fs = std::filesystem;

void draw_split(BuildContext& context, const std::string& split, const std::set<int64_t>& images) {
  const std::vector<int64_t> numbers(images.begin(), images.end());
  Placement whole;
  whole.scale = 1;
  whole.is_trimmed = false;
  context.pool().parallel_for(
      static_cast<int64_t>(numbers.size()), 16, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t number = numbers[static_cast<size_t>(i)];
          const fs::path file = context.options().easy_vqa / "data" / split / "images" /
                                fmt::format("{}.png", number);
          context.write_picture(
              easy_vqa_image(split, number),
              Drawing::from_png(file).render_png(context.options().image_size, whole));
        }
      });
}

/// What the questions of a picture give away: its shape and its colour.
struct Seen {
  std::string shape;
  std::string colour;
};

std::map<int64_t, Seen> what_is_seen(const std::vector<EasyQuestion>& questions) {
  std::map<int64_t, Seen> seen;
  for (const EasyQuestion& item : questions) {
    const bool is_open = item.answer != "yes" && item.answer != "no";
    if (!is_open) continue;
    const bool is_shape =
        item.answer == "circle" || item.answer == "rectangle" || item.answer == "triangle";
    (is_shape ? seen[item.image].shape : seen[item.image].colour) = item.answer;
  }
  return seen;
}

}  // namespace

std::vector<EasyQuestion> read_easy_vqa(const fs::path& folder, const std::string& split) {
  const fs::path file = folder / "data" / split / "questions.json";
  if (!fs::exists(file)) {
    fail(ErrorCode::not_found,
         "data build nano: '{}' is missing; unpack the PyPI package easy-vqa: "
         "pip install easy-vqa --no-deps --target DIR, then pass DIR/easy_vqa",
         file.string());
  }
  const Json rows = parse_json(read_file(file), file.string());
  std::vector<EasyQuestion> questions;
  for (const Json& row : rows) {
    if (!row.is_array() || row.size() != 3) {
      fail(ErrorCode::invalid_data, "{}: expected [question, answer, picture]", file.string());
    }
    questions.push_back(
        {row[0].get<std::string>(), row[1].get<std::string>(), row[2].get<int64_t>()});
  }
  return questions;
}

std::string easy_vqa_image(const std::string& split, int64_t image) {
  return fmt::format("images/{}/{:04}.png", split == "test" ? "test/easy-vqa" : "easy-vqa", image);
}

void build_easy_vqa(BuildContext& context) {
  for (const char* split : {"train", "test"}) {
    std::set<int64_t> images;
    for (const auto& item : read_easy_vqa(context.options().easy_vqa, split)) {
      images.insert(item.image);
    }
    draw_split(context, split, images);
  }
  std::vector<std::string> lines;
  for (const auto& [image, seen] :
       what_is_seen(read_easy_vqa(context.options().easy_vqa, "train"))) {
    if (seen.shape.empty() || seen.colour.empty()) continue;
    Pair pair;
    pair.id = fmt::format("easy-vqa-{:04}", image);
    pair.image = easy_vqa_image("train", image);
    pair.label = seen.colour + " " + seen.shape;
    pair.text = with_article(pair.label);
    pair.vendor = "easy-vqa";
    lines.push_back(pair.to_line());
  }
  context.write_lines("pairs/easy-vqa.jsonl", lines);
  context.say(fmt::format("easy-vqa: {} pictures with known shape and colour", lines.size()));
}

}  // namespace vila::data::nano
