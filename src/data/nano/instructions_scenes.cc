// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "data/nano/instructions.h"
#include "data/nano/phrases.h"
#include "data/nano/scene.h"
#include "data/nano/text_facts.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kSteps = 6'000;
constexpr int64_t kQuestionsPerScene = 3;

std::string yes_or_no(bool is_true) {
  return is_true ? "Yes." : "No.";
}

Turn ask_count(const Scene& scene, Random& random) {
  const Shape& shape = pick(scene.shapes, random);
  const auto word = [](int64_t count) { return as_sentence(number_word(count)); };
  switch (random.below(3)) {
    case 0:
      return {"How many shapes are there?", word(static_cast<int64_t>(scene.shapes.size()))};
    case 1:
      return {"How many " + shape_plural(shape.kind, 2) + " are there?",
              word(scene.count(shape.kind, ""))};
    default:
      return {"How many " + std::string(shape.colour) + " shapes are there?",
              word(scene.count("", shape.colour))};
  }
}

Turn ask_presence(const Scene& scene, Random& random) {
  const Shape& shape = pick(scene.shapes, random);
  const bool is_true = random.below(2) == 0;
  const std::string_view kind = is_true ? shape.kind : pick(kSceneShapes, random);
  const std::string_view colour = is_true ? shape.colour : pick(kSceneColours, random).name;
  switch (random.below(3)) {
    case 0:
      return {"Is there a " + std::string(kind) + "?", yes_or_no(scene.count(kind, "") > 0)};
    case 1:
      return {"Is anything " + std::string(colour) + "?", yes_or_no(scene.count("", colour) > 0)};
    default:
      return {"Is there " + with_article(std::string(colour) + " " + std::string(kind)) + "?",
              yes_or_no(scene.count(kind, colour) > 0)};
  }
}

/// Questions that name a shape by its kind or its colour: only where that is unambiguous.
Turn ask_attribute(const Scene& scene, Random& random) {
  const Shape& shape = pick(scene.shapes, random);
  if (random.below(2) == 0 && scene.count(shape.kind, "") == 1) {
    return {"What color is the " + std::string(shape.kind) + "?", as_sentence(shape.colour)};
  }
  if (scene.count("", shape.colour) == 1) {
    return {"What shape is " + std::string(shape.colour) + "?",
            as_sentence(with_article(shape.kind))};
  }
  return ask_count(scene, random);
}

Turn ask_relation(const Scene& scene, Random& random) {
  if (scene.shapes.size() != 2 || scene.shapes[0].name() == scene.shapes[1].name()) {
    return ask_attribute(scene, random);
  }
  const auto from = static_cast<size_t>(random.below(2));
  const Shape& a = scene.shapes[from];
  const Shape& b = scene.shapes[1 - from];
  const std::string_view side = side_phrase(side_of(a, b));
  if (random.below(2) == 0) {
    return {"Where is the " + a.name() + " as seen from the " + b.name() + "?",
            as_sentence(std::string(side) + " the " + b.name())};
  }
  const bool is_true = random.below(2) == 0;
  const std::string_view opposite = side_phrase(side_of(b, a));
  return {"Is the " + a.name() + " " + std::string(is_true ? side : opposite) + " the " + b.name() +
              "?",
          yes_or_no(is_true)};
}

Turn ask_anything(const Scene& scene, Random& random) {
  switch (random.below(5)) {
    case 0:
      return {"Describe the picture.", as_sentence(scene.caption())};
    case 1:
      return ask_count(scene, random);
    case 2:
      return ask_presence(scene, random);
    case 3:
      return ask_relation(scene, random);
    default:
      return ask_attribute(scene, random);
  }
}

/// Counting aloud: name every shape, then answer.
Turn ask_in_steps(const Scene& scene, Random& random) {
  const Shape& shape = pick(scene.shapes, random);
  const std::string plural = shape_plural(shape.kind, 2);
  std::string steps;
  int64_t seen = 0;
  for (size_t i = 0; i < scene.shapes.size(); ++i) {
    const Shape& item = scene.shapes[i];
    steps += capitalised(with_article(item.name()));
    if (item.kind == shape.kind) {
      ++seen;
      steps += fmt::format(": {}", number_word(seen));
    }
    steps += ". ";
  }
  return {"How many " + plural + " are there? Think step by step.",
          steps + "So the answer is " + std::string(number_word(seen)) + "."};
}

Turn compare_in_steps(const Scene& first, const Scene& second) {
  const auto a = static_cast<int64_t>(first.shapes.size());
  const auto b = static_cast<int64_t>(second.shapes.size());
  std::string answer = "Both have as many.";
  if (a != b) answer = a > b ? "The first." : "The second.";
  return {"Which picture has more shapes? Think step by step.",
          "The first picture has " + std::string(number_word(a)) + ". The second picture has " +
              std::string(number_word(b)) + ". So the answer is: " + answer};
}

}  // namespace

void write_scene_instructions(const BuildContext& context) {
  const uint64_t seed = context.options().seed;
  InstructionFile questions("scenes");
  for (int64_t index = 0; index < kScenes; ++index) {
    Random random = context.random(fmt::format("scene question {}", index));
    const Scene scene = make_scene(seed, index);
    std::vector<Turn> turns;
    for (int64_t i = 0; i < kQuestionsPerScene; ++i)
      turns.push_back(ask_anything(scene, random));
    questions.add_shuffled(scene_image(index), turns, random);
  }
  questions.write(context);
  InstructionFile steps("steps");
  for (int64_t i = 0; i < kSteps; ++i) {
    Random random = context.random(fmt::format("steps {}", i));
    const int64_t index = random.below(kScenes);
    const Scene scene = make_scene(seed, index);
    if (i % 3 > 0) {
      const Turn turn = ask_in_steps(scene, random);
      steps.add({scene_image(index)}, "<image>\n" + turn.question, turn.answer);
      continue;
    }
    const int64_t other = random.below(kScenes);
    const Turn turn = compare_in_steps(scene, make_scene(seed, other));
    steps.add({scene_image(index), scene_image(other)}, "<image>\n<image>\n" + turn.question,
              turn.answer);
  }
  steps.write(context);
}

}  // namespace vila::data::nano
