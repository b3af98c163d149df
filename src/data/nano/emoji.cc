// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "data/nano/generators.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int kVariants = 3;             // the first one plain
constexpr double kLeastCoverage = 0.01;  // of the page; less is no drawing

constexpr std::array<std::string_view, 6> kStyled = {"a drawing of {}", "an emoji of {}",
                                                     "a picture of {}", "a cartoon of {}",
                                                     "this is {}",      "the picture shows {}"};

std::string caption(const Concept& item, Random& random) {
  const int64_t kind = random.below(100);
  if (kind < 55 || (kind >= 85 && item.keywords.empty())) return item.name;
  if (kind < 70) return with_article(item.name);
  if (kind < 85) return filled(pick(kStyled, random), with_article(item.name));
  std::vector<std::string> words = item.keywords;
  shuffle(words, random);
  words.resize(std::min<size_t>(words.size(), 3));
  words.insert(words.begin(), item.name);
  return joined(words, ", ");
}

struct Task {
  const Concept* item;
  std::string vendor;
};

/// Draws all variants of a task; empty when the drawing is broken or blank.
std::vector<Pair> draw(const BuildContext& context, const Task& task) {
  const std::string key = task.vendor + "/" + task.item->slug();
  const Drawing drawing = Drawing::from_svg(task.item->drawings.at(task.vendor), key);
  std::vector<Pair> pairs;
  if (drawing.coverage() < kLeastCoverage) return pairs;
  Random random = context.random("emoji " + key);
  for (int variant = 0; variant < kVariants; ++variant) {
    Placement placement;
    // Arrows, letters and signs change their meaning in the mirror.
    if (variant > 0) placement = random_placement(random, task.item->category != "symbol");
    Pair pair;
    pair.id = fmt::format("emoji-{}-{}-{}", task.vendor, task.item->slug(), variant);
    pair.image = fmt::format("images/emoji/{}-{}.png", key, variant);
    pair.text = caption(*task.item, random);
    pair.label = task.item->name;
    pair.vendor = task.vendor;
    pair.group = task.item->group;
    pair.category = task.item->category;
    context.write_picture(pair.image, drawing.render_png(context.options().image_size, placement));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

void write_split(BuildContext& context) {
  std::vector<std::string> names;
  for (const Concept& item : context.concepts()) {
    if (item.is_held_out) names.push_back(item.name);
  }
  context.write_lines("splits/held-out-concepts.txt", names);
}

}  // namespace

void build_emoji(BuildContext& context) {
  write_split(context);
  std::vector<Task> tasks;
  for (const Concept& item : context.concepts()) {
    if (item.is_held_out) continue;
    for (const Vendor& vendor : kVendors) {
      if (vendor.is_test_only || !item.drawings.contains(vendor.name)) continue;
      tasks.push_back({&item, std::string(vendor.name)});
    }
  }
  std::vector<std::vector<Pair>> drawn(tasks.size());
  std::vector<std::string> broken(tasks.size());
  context.pool().parallel_for(
      static_cast<int64_t>(tasks.size()), 4, [&](int64_t begin, int64_t end) {
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
          try {
            drawn[i] = draw(context, tasks[i]);
          } catch (const Error& error) {
            if (error.code() != ErrorCode::invalid_image) throw;
            broken[i] = error.what();
          }
        }
      });
  std::vector<std::string> lines;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!broken[i].empty()) context.warn("left out " + broken[i]);
    for (const Pair& pair : drawn[i])
      lines.push_back(pair.to_line());
  }
  context.write_lines("pairs/emoji.jsonl", lines);
  context.say(fmt::format("emoji: {} pictures of {} drawings", lines.size(), tasks.size()));
}

}  // namespace vila::data::nano
