// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "data/nano/documents.h"
#include "data/nano/gallery.h"
#include "data/nano/wordnet.h"

namespace vila::data::nano {

/// A question and its answer.
struct Turn {
  std::string question;
  std::string answer;
};

/// Collects questions with answers and writes them as a LLaVA JSON array.
class InstructionFile {
 public:
  /// @param name  file name without ending, and the beginning of every id.
  explicit InstructionFile(std::string name) : name_(std::move(name)) {}

  /// A conversation. The first question holds "<image>" once for every picture.
  void add(const std::vector<std::string>& images, const std::vector<Turn>& turns);

  /// One of a single turn.
  void add(const std::vector<std::string>& images, const std::string& question,
           const std::string& answer) {
    add(images, {{question, answer}});
  }

  /// One about a single picture, its turns in random order.
  void add_shuffled(const std::string& image, std::vector<Turn> turns, Random& random);

  size_t size() const { return rows_.size(); }

  /// Writes instructions/NAME.json, one row a line.
  void write(const BuildContext& context) const;

 private:
  std::string name_;
  std::vector<std::string> rows_;
};

/// The bars' wordings; training and tests share them.
inline constexpr std::string_view kNamingQuestion = "What is this?";
inline constexpr std::string_view kCategoryQuestion = "What category is this?";

/// "Which one shows a cat, the first or the second?"
std::string which_of_two(const std::string& label);

/// "The first." … for place 0 to 2.
std::string place_answer(int64_t place);

/// instructions/which-one.json, which-of-three.json, each-picture.json, in-context.json.
void write_several_picture_instructions(const BuildContext& context, const Gallery& gallery,
                                        const MadeUpWords& words);
/// instructions/scenes.json and steps.json.
void write_scene_instructions(const BuildContext& context);
/// instructions/text.json: no pictures.
void write_text_instructions(const BuildContext& context, const WordNet& wordnet,
                             const std::vector<Concept>& concepts);

}  // namespace vila::data::nano
