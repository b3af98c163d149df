// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/nano/easy_vqa.h"
#include "data/nano/generators.h"
#include "data/nano/instructions.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kMostTokens = 16;
constexpr int64_t kQuestions = 600;
constexpr int kVariants = 3;  // of each drawing; the first one plain on white

/// A row of test/*.jsonl: what `vila run --batch` reads, and what is right.
struct TestRow {
  std::string id;
  std::string prompt;
  std::vector<std::string> images;  // below the build's folder
  std::string answer;
  std::vector<std::string> accepted;
  bool is_raw = false;  // no chat template around it
};

std::string to_line(const TestRow& row) {
  Json images = Json::array();
  for (const std::string& image : row.images)
    images.push_back("../" + image);
  Json line = {{"id", row.id},         {"prompt", row.prompt},   {"images", images},
               {"answer", row.answer}, {"accept", row.accepted}, {"max_tokens", kMostTokens}};
  if (row.is_raw) line["raw"] = true;
  return line.dump();
}

void write_test(const BuildContext& context, const std::string& name,
                const std::vector<TestRow>& rows) {
  std::vector<std::string> lines;
  for (const TestRow& row : rows)
    lines.push_back(to_line(row));
  context.write_lines("test/" + name + ".jsonl", lines);
  context.say(fmt::format("test: {} rows of {}", rows.size(), name));
}

/// Draws a concept for the test in one style, as the training pictures are drawn.
std::vector<Pair> draw(const BuildContext& context, const Concept& item,
                       const std::string& vendor) {
  const std::string key = vendor + "/" + item.slug();
  const Drawing drawing = Drawing::from_svg(item.drawings.at(vendor), key);
  Random random = context.random("test drawing " + key);
  std::vector<Pair> pairs;
  for (int variant = 0; variant < kVariants; ++variant) {
    Placement placement;
    if (variant > 0) placement = random_placement(random, false);
    Pair pair;
    pair.id = fmt::format("{}-{}-{}", vendor, item.slug(), variant);
    pair.image = fmt::format("images/test/emoji/{}-{}.png", key, variant);
    pair.label = item.name;
    pair.vendor = vendor;
    pair.category = item.category;
    context.write_picture(pair.image, drawing.render_png(context.options().image_size, placement));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

/// The pictures of every concept that `is_wanted` takes, in one style; unreadable ones left out.
template <typename Wanted>
std::vector<Pair> draw_all(BuildContext& context, const std::string& vendor,
                           const Wanted& is_wanted) {
  std::vector<Pair> pairs;
  for (const Concept& item : context.concepts()) {
    if (!item.drawings.contains(vendor) || !is_wanted(item)) continue;
    try {
      const std::vector<Pair> drawn = draw(context, item, vendor);
      pairs.insert(pairs.end(), drawn.begin(), drawn.end());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_image) throw;
      context.warn(std::string("left out ") + error.what());
    }
  }
  return pairs;
}

bool is_plain(const Pair& pair) {
  return pair.image.ends_with("-0.png");
}

std::vector<TestRow> naming_rows(const std::vector<Pair>& pictures) {
  std::vector<TestRow> rows;
  for (const Pair& picture : pictures) {
    if (!is_plain(picture)) continue;
    rows.push_back({picture.id,
                    "<image>\n" + std::string(kNamingQuestion),
                    {picture.image},
                    picture.label,
                    {picture.label}});
  }
  return rows;
}

std::vector<TestRow> category_rows(const std::vector<Pair>& stamps) {
  std::vector<TestRow> rows;
  for (const Pair& stamp : stamps) {
    rows.push_back({stamp.id,
                    "<image>\n" + std::string(kCategoryQuestion),
                    {stamp.image},
                    stamp.category,
                    {stamp.category}});
  }
  return rows;
}

std::vector<TestRow> easy_vqa_rows(const BuildContext& context) {
  std::vector<TestRow> rows;
  for (const EasyQuestion& item : read_easy_vqa(context.options().easy_vqa, "test")) {
    rows.push_back({fmt::format("easy-vqa-{:04}", rows.size()),
                    "<image>\n" + item.question,
                    {easy_vqa_image("test", item.image)},
                    item.answer,
                    {item.answer}});
  }
  return rows;
}

/// Each question twice, with the pictures swapped: ids end in "-a" and "-b".
std::vector<TestRow> which_one_rows(const Gallery& gallery, Random random) {
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < kQuestions; ++i) {
    const auto labels = gallery.several_labels(2, false, random);
    std::vector<std::string> images = {gallery.of(labels[0], random).image,
                                       gallery.of(labels[1], random).image};
    const int64_t first = i % 2;  // where the wanted picture stands in question "a"
    for (int64_t side = 0; side < 2; ++side) {
      const int64_t place = (first + side) % 2;
      std::vector<std::string> order = images;
      if (place == 1) std::swap(order[0], order[1]);
      const std::string answer = place == 0 ? "first" : "second";
      rows.push_back({fmt::format("which-one-{:03}-{}", i, side == 0 ? "a" : "b"),
                      "<image>\n<image>\n" + which_of_two(labels[0]),
                      order,
                      answer,
                      {answer}});
    }
  }
  return rows;
}

/// Two examples and a query that shows one of them in another placement, balanced by place.
std::vector<TestRow> in_context_rows(const Gallery& gallery, const std::vector<std::string>& words,
                                     Random random) {
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < kQuestions; ++i) {
    const auto labels = gallery.several_labels(2, false, random);
    const std::string& first = pick(words, random);
    std::string second = first;
    while (second == first)
      second = pick(words, random);
    const Pair& one = gallery.of(labels[0], random);
    const Pair& two = gallery.of(labels[1], random);
    const bool is_first = i % 2 == 0;
    const Pair& query = gallery.another(is_first ? one : two, random);
    TestRow row{fmt::format("in-context-{:03}", i),
                "<image> is a " + first + ". <image> is a " + second + ". <image> is a",
                {one.image, two.image, query.image},
                is_first ? first : second,
                {is_first ? first : second}};
    row.is_raw = true;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<Pair> held_out_pictures(BuildContext& context) {
  std::vector<Pair> pairs;
  for (const Vendor& vendor : kVendors) {
    const auto drawn = draw_all(context, std::string(vendor.name),
                                [](const Concept& item) { return item.is_held_out; });
    std::copy_if(drawn.begin(), drawn.end(), std::back_inserter(pairs), is_plain);
  }
  return pairs;
}

}  // namespace

void build_tests(BuildContext& context) {
  const std::vector<Pair> style =
      draw_all(context, "fxemoji", [](const Concept& item) { return !item.is_held_out; });
  const Gallery gallery(style);
  std::vector<Pair> plain;
  std::copy_if(style.begin(), style.end(), std::back_inserter(plain), is_plain);
  write_test(context, "fxemoji", naming_rows(plain));
  write_test(context, "held-out-concepts", naming_rows(held_out_pictures(context)));
  write_test(context, "stamps",
             category_rows(read_pairs(context.path("splits/held-out-stamps.jsonl"))));
  write_test(context, "easy-vqa", easy_vqa_rows(context));
  write_test(context, "which-one", which_one_rows(Gallery(plain), context.random("test which")));
  context.debian("share/wordnet/data.noun", "wordnet-base");
  const WordNet wordnet(context.options().debian_root / "share/wordnet");
  const MadeUpWords words = made_up_word_split(wordnet.single_words(), context.options().seed);
  write_test(context, "in-context",
             in_context_rows(gallery, words.test, context.random("test in context")));
}

}  // namespace vila::data::nano
