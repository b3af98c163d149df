// SPDX-License-Identifier: Apache-2.0
#include "data/nano/instructions.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kOfTwo = 18'000;
constexpr int64_t kOfThree = 3'000;
constexpr int64_t kEach = 5'000;
constexpr int64_t kInContext = 5'000;

/// Two pictures in both orders, so that place and answer are balanced pair by pair.
void write_which_of_two(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("which-one");
  Random random = context.random("which-one");
  for (int64_t i = 0; i < kOfTwo / 2; ++i) {
    const auto labels = gallery.several_labels(2, random.below(4) == 0, random);
    const std::string wanted = gallery.of(labels[0], random).image;
    const std::string other = gallery.of(labels[1], random).image;
    const std::string question = "<image>\n<image>\n" + which_of_two(labels[0]);
    file.add({wanted, other}, question, place_answer(0));
    file.add({other, wanted}, question, place_answer(1));
  }
  file.write(context);
}

void write_which_of_three(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("which-of-three");
  Random random = context.random("which-of-three");
  for (int64_t i = 0; i < kOfThree; ++i) {
    const auto labels = gallery.several_labels(3, random.below(4) == 0, random);
    std::vector<std::string> images;
    for (const std::string& label : labels)
      images.push_back(gallery.of(label, random).image);
    const int64_t place = i % 3;
    file.add(images,
             "<image>\n<image>\n<image>\nWhich one shows " +
                 with_article(labels[static_cast<size_t>(place)]) +
                 ", the first, the second or the third?",
             place_answer(place));
  }
  file.write(context);
}

void write_each_picture(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("each-picture");
  Random random = context.random("each-picture");
  for (int64_t i = 0; i < kEach; ++i) {
    const auto labels = gallery.several_labels(2, false, random);
    const std::string first = with_article(labels[0]);
    const std::string second = with_article(labels[1]);
    std::string question = "What is in each picture?";
    std::string answer =
        "The first picture shows " + first + " and the second shows " + second + ".";
    if (i % 4 == 1) {
      question = "What does the first picture show?";
      answer = as_sentence(first);
    } else if (i % 4 == 2) {
      question = "What does the second picture show?";
      answer = as_sentence(second);
    } else if (i % 4 == 3) {
      question = "Do both pictures show the same thing?";
      answer = "No.";
    }
    const bool is_same = i % 8 == 3;
    const Pair& one = gallery.of(labels[0], random);
    const Pair& two = is_same ? gallery.another(one, random) : gallery.of(labels[1], random);
    file.add({one.image, two.image}, "<image>\n<image>\n" + question, is_same ? "Yes." : answer);
  }
  file.write(context);
}

void write_in_context(const BuildContext& context, const Gallery& gallery,
                      const MadeUpWords& words) {
  InstructionFile file("in-context");
  Random random = context.random("in-context instructions");
  for (int64_t i = 0; i < kInContext; ++i) {
    const auto labels = gallery.several_labels(2, random.below(3) == 0, random);
    const std::string& first = pick(words.training, random);
    const std::string& second = pick(words.training, random);
    if (first == second) continue;
    const Pair& one = gallery.of(labels[0], random);
    const Pair& two = gallery.of(labels[1], random);
    const bool is_first = random.below(2) == 0;
    const Pair& query = gallery.another(is_first ? one : two, random);
    file.add({one.image, two.image, query.image},
             "<image>\nThis is a " + first + ".\n<image>\nThis is a " + second +
                 ".\n<image>\nWhat is this?",
             as_sentence("a " + (is_first ? first : second)));
  }
  file.write(context);
}

}  // namespace

void write_several_picture_instructions(const BuildContext& context, const Gallery& gallery,
                                        const MadeUpWords& words) {
  write_which_of_two(context, gallery);
  write_which_of_three(context, gallery);
  write_each_picture(context, gallery);
  write_in_context(context, gallery, words);
}

}  // namespace vila::data::nano
