// SPDX-License-Identifier: Apache-2.0
#include "data/nano/pair_tasks.h"

#include <cctype>

#include "base/error.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr double kLeastCoverage = 0.01;  // of the page; less is no drawing

std::vector<Pair> draw(const BuildContext& context, const std::string& set, const PairTask& task) {
  const Drawing drawing = task.open();
  std::vector<Pair> pairs;
  if (drawing.coverage() < kLeastCoverage) return pairs;
  Random random = context.random(set + " " + task.key);
  for (int variant = 0; variant < task.variants; ++variant) {
    Placement placement;
    if (variant > 0) placement = random_placement(random, task.may_mirror);
    Pair pair = task.pair;
    pair.image = fmt::format("images/{}/{}-{}.png", set, task.key, variant);
    pair.id = fmt::format("{}-{}-{}", set, key_part(task.key), variant);
    pair.text = pick(task.captions, random);
    context.write_picture(pair.image, drawing.render_png(context.options().image_size, placement));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

}  // namespace

void write_pairs(BuildContext& context, const std::string& set,
                 const std::vector<PairTask>& tasks) {
  std::vector<std::vector<Pair>> drawn(tasks.size());
  std::vector<std::string> broken(tasks.size());
  context.pool().parallel_for(
      static_cast<int64_t>(tasks.size()), 4, [&](int64_t begin, int64_t end) {
        for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
          try {
            drawn[i] = draw(context, set, tasks[i]);
          } catch (const Error& error) {
            if (error.code() != ErrorCode::invalid_image) throw;
            broken[i] = error.what();
          }
        }
      });
  std::vector<std::string> lines;
  std::vector<std::string> plain;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (!broken[i].empty()) context.warn("left out " + broken[i]);
    if (!drawn[i].empty()) plain.push_back(drawn[i].front().to_line());
    for (const Pair& pair : drawn[i])
      lines.push_back(pair.to_line());
  }
  context.write_lines("pairs/" + set + ".jsonl", lines);
  if (plain.size() < lines.size()) context.write_lines("pairs/" + set + "-plain.jsonl", plain);
  context.say(fmt::format("{}: {} pictures of {} drawings", set, lines.size(), tasks.size()));
}

std::string key_part(const std::string& text) {
  std::string part;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    part += std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '-';
  }
  return part;
}

}  // namespace vila::data::nano
