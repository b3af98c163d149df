// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "base/error.h"
#include "data/nano/generators.h"
#include "data/nano/pair_tasks.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int kVariants = 3;  // the first one plain
constexpr int kCaptions = 6;

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

PairTask task_for(const BuildContext& context, const Concept& item, const std::string& vendor,
                  const std::string& svg) {
  PairTask task;
  task.key = vendor + "/" + item.slug();
  task.pair.label = item.name;
  task.pair.vendor = vendor;
  task.pair.group = item.group;
  task.pair.category = item.category;
  Random random = context.random("emoji captions " + task.key);
  for (int i = 0; i < kCaptions; ++i)
    task.captions.push_back(caption(item, random));
  task.open = [&svg, key = task.key] { return Drawing::from_svg(svg, key); };
  task.variants = kVariants;
  // Arrows, letters and signs change their meaning in the mirror.
  task.may_mirror = item.category != "symbol";
  return task;
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
  std::vector<PairTask> tasks;
  for (const Concept& item : context.concepts()) {
    if (item.is_held_out) continue;
    for (const Vendor& vendor : kVendors) {
      const auto svg = item.drawings.find(vendor.name);
      if (!vendor.is_test_only && svg != item.drawings.end()) {
        tasks.push_back(task_for(context, item, svg->first, svg->second));
      }
    }
  }
  write_pairs(context, "emoji", tasks);
}

}  // namespace vila::data::nano
