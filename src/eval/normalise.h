// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vila::eval {

/// How an answer is brought into the form that is compared. The four differ in what they do before
/// the shared steps P (punctuation) and D (numbers, articles, contractions), and in the table of D.
enum class Normaliser {
  vqa,        // official VQA: clean, P, D
  vqa_punct,  // what the 2016 version did to human answers: P alone
  m4c,        // EvalAI's, of TextVQA and of submissions: no commas, possessives split, clean, P, D
  vizwiz,     // official VizWiz: clean, P, D with a table that has typographic apostrophes
};

/// Newline and tab to a space, then strip(): what the scorers do before anything else.
std::string clean_answer(std::string_view answer);

/// Which version of the official VQA scorer.
enum class VqaVersion {
  of_2021,  // leaves both sides alone when the ten humans agree
  of_2016   // normalises humans by half, and the prediction always
};

/// The human answers to one question and a prediction, in place, as that scorer compares them.
void normalise_pair(std::vector<std::string>& humans, std::string& prediction, VqaVersion version);

/// The answer in that form. Sources: vqaEval.py of GT-Vision-Lab/VQA (a013f00 and 458a8b2),
/// m4c_evaluators.py of LLaVA, vqaEval.py of VizWiz; faults of theirs are kept on purpose.
std::string normalise(std::string_view answer, Normaliser which);

/// normalise() that remembers: of 4.5 million human answers of VQAv2 few are new. Bounded; one
/// thread.
class NormaliserMemory {
 public:
  explicit NormaliserMemory(Normaliser which) : which_(which) {}

  /// Valid until the next call.
  const std::string& operator()(const std::string& answer);

 private:
  Normaliser which_;
  std::unordered_map<std::string, std::string> known_;
};

/// normalise_pair() with such memories.
class PairNormaliser {
 public:
  explicit PairNormaliser(VqaVersion version);

  void operator()(std::vector<std::string>& humans, std::string& prediction);

 private:
  VqaVersion version_;
  NormaliserMemory humans_;
  NormaliserMemory prediction_;
};

}  // namespace vila::eval
