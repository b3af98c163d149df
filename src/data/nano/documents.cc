// SPDX-License-Identifier: Apache-2.0
#include "data/nano/documents.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "data/nano/generators.h"
#include "data/nano/phrases.h"
#include "data/nano/wordnet.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kRunning = 12'000;
constexpr int64_t kNaming = 9'000;
constexpr int64_t kInContext = 18'000;
constexpr int64_t kComparing = 6'000;
constexpr int64_t kDrawnWords = 12'000;
constexpr int64_t kTestWords = 300;
constexpr size_t kLongestWord = 6;  // of one syllable, so that a word is two or three tokens
constexpr size_t kLongestGloss = 120;

std::string be_for(std::string_view label) {
  return is_plural(label) ? "are" : "is";
}

/// A sentence that says what the thing is: its dictionary meaning where it has one, else its kind.
std::string about(const Pair& picture, const WordNet& wordnet) {
  const Synset* meaning = wordnet.first_meaning(PartOfSpeech::noun, picture.label);
  const bool is_defined =
      meaning && !meaning->definition.empty() && meaning->definition.size() <= kLongestGloss;
  const std::string subject = capitalised(with_article(picture.label));
  if (is_defined) return subject + " " + be_for(picture.label) + " " + meaning->definition + ".";
  if (picture.category.empty())
    return "Here " + be_for(picture.label) + " " + with_article(picture.label) + ".";
  return subject + " " + be_for(picture.label) + " " + with_article(picture.category) + ".";
}

Document running_document(const std::string& id, const Gallery& gallery, const WordNet& wordnet,
                          Random& random) {
  Document document(id);
  const int64_t count = 2 + random.below(3);
  const auto labels = gallery.several_labels(count, random.below(10) < 7, random);
  if (random.below(3) == 0) {
    std::vector<std::string> names;
    for (const std::string& label : labels)
      names.push_back(with_article(label));
    document.add_sentence("This is about " + joined(names) + ".");
  }
  for (const std::string& label : labels) {
    const Pair& picture = gallery.of(label, random);
    document.add_picture(picture.image);
    document.add_sentence(about(picture, wordnet));
  }
  return document;
}

Document naming_document(const std::string& id, const Gallery& gallery, Random& random) {
  static constexpr std::array<std::string_view, 6> kForms = {
      "{1} {}.", "This is {}.", "{}.", "Here is {}.", "The picture shows {}.", "a drawing of {}"};
  Document document(id);
  const std::string_view form = pick(kForms, random);
  const int64_t count = 3 + random.below(kMostPictures - 2);
  for (int64_t i = 0; i < count; ++i) {
    const Pair& picture = gallery.any(random);
    document.add_picture(picture.image);
    const std::string text = filled(form, with_article(picture.label), be_for(picture.label));
    document.add_sentence(form == "{}." ? capitalised(text) : text);
  }
  return document;
}

Document comparing_document(const std::string& id, const Gallery& gallery, Random& random) {
  Document document(id);
  const auto labels = gallery.several_labels(2, random.below(2) == 0, random);
  const Pair& first = gallery.of(labels[0], random);
  const Pair& second = gallery.of(labels[1], random);
  const std::string a = with_article(first.label);
  const std::string b = with_article(second.label);
  document.add_picture(first.image);
  document.add_picture(second.image);
  switch (random.below(4)) {
    case 0:
      document.add_sentence("The first picture shows " + a + " and the second shows " + b + ".");
      break;
    case 1:
      document.add_sentence("The first shows " + a + ", the second shows " + b + ".");
      break;
    case 2:
      document.add_sentence("The second picture shows " + b + " and the first shows " + a + ".");
      break;
    default:
      document.add_sentence("There are two pictures. " + capitalised(a) + " is in the first. " +
                            capitalised(b) + " is in the second.");
  }
  return document;
}

std::string in_context_sentence(const std::string& word, bool is_spaced, bool is_last = false) {
  // The reader of documents drops one blank on each side of a picture: what shall stay is doubled.
  const std::string core = "is a " + word + ".";
  if (!is_spaced) return core;
  return "  " + core + (is_last ? "" : " ");
}

template <typename Make>
void write_documents(const BuildContext& context, const std::string& name, int64_t count,
                     const Make& make) {
  std::vector<std::string> lines;
  for (int64_t i = 0; i < count; ++i) {
    const std::string id = fmt::format("{}-{:05}", name, i);
    Random random = context.random("document " + id);
    lines.push_back(make(id, random).to_line());
  }
  context.write_lines("documents/" + name + ".jsonl", lines);
  context.say(fmt::format("documents: {} of kind {}", count, name));
}

InContextForm random_form(Random& random) {
  InContextForm form;
  form.meanings = random.below(5) == 0 ? 3 : 2;
  form.queries = 1 + random.below(kMostPictures - form.meanings);
  form.is_spaced = random.below(4) > 0;
  return form;
}

}  // namespace

void Document::add_picture(const std::string& image) {
  images_.push_back({image, sentences_.size()});
}

std::string Document::to_line() const {
  Json infos = Json::array();
  for (const Placed& placed : images_) {
    VILA_CHECK(placed.sentence < sentences_.size(), "{}: no sentence after a picture", id_);
    infos.push_back({{"image_name", placed.image}, {"matched_text_index", placed.sentence}});
  }
  return Json{{"id", id_}, {"text_list", sentences_}, {"image_info", infos}}.dump();
}

MadeUpWords made_up_word_split(std::span<const std::string> taken, uint64_t seed) {
  auto words = made_up_words(kDrawnWords, seed, taken);
  std::erase_if(words, [](const std::string& word) { return word.size() > kLongestWord; });
  MadeUpWords split;
  split.test.assign(words.begin(), words.begin() + kTestWords);
  split.training.assign(words.begin() + kTestWords, words.end());
  return split;
}

Document in_context_document(const std::string& id, const Gallery& gallery,
                             std::span<const std::string> words, const InContextForm& form,
                             Random& random) {
  // Copying the very same picture comes first in learning; one query in eight asks no more.
  constexpr int64_t kSamePicture = 8;
  Document document(id);
  const auto labels = gallery.several_labels(form.meanings, random.below(3) == 0, random);
  std::vector<const Pair*> examples;
  std::vector<std::string> names;
  while (static_cast<int64_t>(names.size()) < form.meanings) {
    const std::string& word = pick(words, random);
    if (std::find(names.begin(), names.end(), word) == names.end()) names.push_back(word);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    examples.push_back(&gallery.of(labels[i], random));
    document.add_picture(examples.back()->image);
    document.add_sentence(in_context_sentence(names[i], form.is_spaced));
  }
  for (int64_t q = 0; q < form.queries; ++q) {
    const auto which = static_cast<size_t>(random.below(form.meanings));
    const bool is_same = random.below(kSamePicture) == 0;
    const Pair& query = is_same ? *examples[which] : gallery.another(*examples[which], random);
    document.add_picture(query.image);
    const bool is_last = q + 1 == form.queries;
    document.add_sentence(in_context_sentence(names[which], form.is_spaced, is_last));
  }
  return document;
}

void build_documents(BuildContext& context) {
  context.debian("share/wordnet/data.noun", "wordnet-base");
  const WordNet wordnet(context.options().debian_root / "share/wordnet");
  const Gallery all = open_gallery(context, {"emoji", "stamps", "openclipart"});
  const Gallery emoji = open_gallery(context, {"emoji"});
  const MadeUpWords words = made_up_word_split(wordnet.single_words(), context.options().seed);
  write_documents(context, "in-context", kInContext, [&](const std::string& id, Random& random) {
    return in_context_document(id, emoji, words.training, random_form(random), random);
  });
  write_documents(context, "running", kRunning, [&](const std::string& id, Random& random) {
    return running_document(id, all, wordnet, random);
  });
  write_documents(context, "naming", kNaming, [&](const std::string& id, Random& random) {
    return naming_document(id, all, random);
  });
  write_documents(context, "comparing", kComparing, [&](const std::string& id, Random& random) {
    return comparing_document(id, all, random);
  });
}

}  // namespace vila::data::nano
