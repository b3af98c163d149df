// SPDX-License-Identifier: Apache-2.0
#include "data/nano/instructions.h"

#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/nano/easy_vqa.h"
#include "data/nano/generators.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kCategories = 6'000;
constexpr int64_t kPresence = 3'000;
constexpr int64_t kQuizzes = 12'000;

constexpr std::array<std::string_view, 8> kNamingOthers = {
    "What does the picture show?", "Name the thing in the picture.", "What do you see?",
    "Describe the picture.",       "What is in the picture?",        "What is shown here?",
    "Tell me what this is.",       "What can be seen in this image?"};

std::string with_picture(std::string_view question) {
  return "<image>\n" + std::string(question);
}

/// Every picture once: half of them in the exact wording of the bar.
void write_naming(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("naming");
  Random random = context.random("naming");
  for (const Pair& picture : gallery.pictures()) {
    const bool is_exact = random.below(2) == 0;
    const std::string_view question = is_exact ? kNamingQuestion : pick(kNamingOthers, random);
    file.add({picture.image}, with_picture(question), as_sentence(with_article(picture.label)));
  }
  file.write(context);
}

void write_categories(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("categories");
  Random random = context.random("categories");
  while (static_cast<int64_t>(file.size()) < kCategories) {
    const Pair& picture = gallery.any(random);
    if (picture.category.empty()) continue;
    const std::string answer = with_article(picture.category);
    if (random.below(4) > 0) {
      file.add({picture.image}, with_picture(kCategoryQuestion), as_sentence(answer));
      continue;
    }
    std::string other = with_article(pick(category_names(), random));
    if (other == answer) continue;
    const bool is_first = random.below(2) == 0;
    file.add({picture.image},
             with_picture("Is this " + (is_first ? answer : other) + " or " +
                          (is_first ? other : answer) + "?"),
             as_sentence(answer));
  }
  file.write(context);
}

void write_presence(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("presence");
  Random random = context.random("presence");
  for (int64_t i = 0; i < kPresence; ++i) {
    const auto labels = gallery.several_labels(2, random.below(2) == 0, random);
    const Pair& picture = gallery.of(labels[0], random);
    const bool is_there = i % 2 == 0;
    const std::string asked = with_article(is_there ? labels[0] : labels[1]);
    const std::string question =
        random.below(2) == 0 ? "Is this " + asked + "?" : "Does the picture show " + asked + "?";
    file.add({picture.image}, with_picture(question), is_there ? "Yes." : "No.");
  }
  file.write(context);
}

/// Several questions about one picture: what it is, its category, what it is and is not.
void write_quizzes(const BuildContext& context, const Gallery& gallery) {
  InstructionFile file("quiz");
  Random random = context.random("quiz");
  while (static_cast<int64_t>(file.size()) < kQuizzes) {
    const Pair& picture = gallery.any(random);
    if (picture.category.empty()) continue;
    const std::string& other = gallery.any(random).label;
    if (other == picture.label) continue;
    file.add_shuffled(
        picture.image,
        {{std::string(kNamingQuestion), as_sentence(with_article(picture.label))},
         {std::string(kCategoryQuestion), as_sentence(with_article(picture.category))},
         {"Is this " + with_article(picture.label) + "?", "Yes."},
         {"Is this " + with_article(other) + "?", "No."}},
        random);
  }
  file.write(context);
}

void write_fashion(const BuildContext& context) {
  InstructionFile file("fashion");
  Random random = context.random("fashion questions");
  for (const Pair& picture : read_pairs(context.path("pairs/fashion.jsonl"))) {
    const std::string_view question =
        random.below(2) == 0 ? "What item of clothing is this?" : kNamingQuestion;
    file.add({picture.image}, with_picture(question), as_sentence(with_article(picture.label)));
  }
  file.write(context);
}

/// The official training questions in their own words, all of a picture in one conversation.
void write_easy_vqa(const BuildContext& context) {
  InstructionFile file("easy-vqa");
  Random random = context.random("easy-vqa questions");
  std::map<int64_t, std::vector<Turn>> by_image;
  for (const EasyQuestion& item : read_easy_vqa(context.options().easy_vqa, "train"))
    by_image[item.image].push_back({item.question, item.answer});
  for (const auto& [image, turns] : by_image)
    file.add_shuffled(easy_vqa_image("train", image), turns, random);
  file.write(context);
}

}  // namespace

void InstructionFile::add(const std::vector<std::string>& images, const std::vector<Turn>& turns) {
  Json row = {{"id", fmt::format("{}-{:05}", name_, rows_.size())}};
  if (images.size() == 1) row["image"] = images.front();
  if (images.size() > 1) row["image"] = images;
  for (const Turn& turn : turns) {
    row["conversations"].push_back({{"from", "human"}, {"value", turn.question}});
    row["conversations"].push_back({{"from", "gpt"}, {"value", turn.answer}});
  }
  rows_.push_back(row.dump());
}

void InstructionFile::add_shuffled(const std::string& image, std::vector<Turn> turns,
                                   Random& random) {
  shuffle(turns, random);
  turns.front().question = with_picture(turns.front().question);
  add({image}, turns);
}

void InstructionFile::write(const BuildContext& context) const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < rows_.size(); ++i) {
    lines.push_back((i == 0 ? "[" : "") + rows_[i] + (i + 1 == rows_.size() ? "]" : ","));
  }
  context.write_lines("instructions/" + name_ + ".json", lines);
  context.say(fmt::format("instructions: {} of kind {}", rows_.size(), name_));
}

std::string which_of_two(const std::string& label) {
  return "Which one shows " + with_article(label) + ", the first or the second?";
}

std::string place_answer(int64_t place) {
  static constexpr std::array<std::string_view, 3> kPlaces = {"The first.", "The second.",
                                                              "The third."};
  VILA_CHECK(place >= 0 && place < static_cast<int64_t>(kPlaces.size()));
  return std::string(kPlaces[static_cast<size_t>(place)]);
}

void build_instructions(BuildContext& context) {
  context.debian("share/wordnet/data.noun", "wordnet-base");
  const WordNet wordnet(context.options().debian_root / "share/wordnet");
  const Gallery all = open_gallery(context, {"emoji", "stamps", "openclipart"});
  const Gallery clear = open_gallery(context, {"emoji", "stamps"});
  const Gallery emoji = open_gallery(context, {"emoji"});
  write_naming(context, all);
  write_categories(context, clear);
  write_presence(context, clear);
  write_quizzes(context, clear);
  write_fashion(context);
  write_easy_vqa(context);
  write_several_picture_instructions(
      context, emoji, made_up_word_split(wordnet.single_words(), context.options().seed));
  write_scene_instructions(context);
  write_text_instructions(context, wordnet, context.concepts());
}

}  // namespace vila::data::nano
