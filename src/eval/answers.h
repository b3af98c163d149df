// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vila::eval {

/// One answer of a model. A value.
struct Answer {
  std::string id;      // question_id, questionId, id, image or key, as written
  std::string prompt;  // what was asked, where the file says so
  std::string text;
  std::vector<std::string> golds;  // m4c's pairs carry the human answers along
  int64_t row = 0;                 // line, or number of the element from 1
};

/// Whether answers are as the model gave them, already in the form that a server takes, or a
/// judge's reviews of them.
enum class AnswerForm { raw, submission, judged };

/// All answers of a file, in its order.
struct Answers {
  std::string source;
  AnswerForm form = AnswerForm::raw;
  std::vector<Answer> rows;
};

/// Reads any of the published forms, told apart by content:
///   JSON lines {"question_id", "prompt"?, "text"} (LLaVA, ours), {"question_id", "prediction"}
///   (SEED-Bench), {"pred_answer", "gt_answers"} (m4c);
///   an array [{"question_id" | "image" | "questionId", "answer" | "prediction"}] (VQA, VizWiz,
///   GQA); an object {"v1_0": text} (MM-Vet), or {"correct": [{"question_id", "question", "pred"}],
///   "incorrect": […]} (ScienceQA); a workbook with columns index and prediction (MMBench);
///   a folder of files category.txt with lines picture, question, gold, answer (MME's own tool);
///   reviews {"content", "tuple"} (LLaVA-Bench) and grades {"v1_0": {"score"}} (MM-Vet), whose text
///   is left to their scorers.
/// @throws Error{not_found}, Error{invalid_data} naming file and row.
Answers read_answers(const std::filesystem::path& path);

/// Answers by key. Views into the Answers, which must outlive it.
class AnswerIndex {
 public:
  using Key = std::function<std::string(const Answer&)>;

  /// Indexes by `key` (nullptr: the id). Rows that repeat an answer word for word count once.
  /// @throws Error{invalid_data} naming both rows when one question has two different answers.
  explicit AnswerIndex(const Answers& answers, const Key& key = nullptr);

  /// The answer, marked as used, or nullptr.
  const Answer* find(std::string_view key);

  /// The two halves of find(): the answer or nullptr, from any thread, and the mark.
  const Answer* look_up(std::string_view key) const;
  void mark(const Answer& answer);

  /// How many answers no find() has asked for, and the first of them (nullptr: none).
  int64_t unused() const;
  const Answer* first_unused() const;

  int64_t repeated() const { return repeated_; }

  const Answers& answers() const { return answers_; }

 private:
  const Answers& answers_;
  std::vector<std::string> keys_;  // of rows, where a key function made them
  std::unordered_map<std::string_view, size_t> by_key_;
  std::vector<bool> used_;
  int64_t repeated_ = 0;
};

}  // namespace vila::eval
