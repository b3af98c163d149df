// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "eval/task.h"

// The 12 benchmarks of VILA's paper: what each row of tasks() points at. questions() reads what the
// model is asked, score() follows the official scorer, upload() writes the official server's file.
// All throw Error{not_found} for a file that is not there and Error{invalid_data} naming file and
// row. Numbers of sections are those of docs/evaluation.md.
namespace vila::eval {

namespace vqav2 {
/// LLaVA's test-dev file, or a raw questions file of VQA (any split).
std::vector<Question> questions(const DataFolder& data);
/// Over raw annotations: overall, per answer type, per question type. Source: vqaEval.py of
/// GT-Vision-Lab/VQA, a013f00 or (protocol "vqa-2016") 458a8b2.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// EvalAI's file: every question of test2015, "" where none was asked.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace vqav2

namespace gqa {
/// LLaVA's file, or GQA's own questions.
std::vector<Question> questions(const DataFolder& data);
/// GQA's eval.py: accuracy over balanced questions, binary, open, distribution, and by structural
/// and semantic type, steps and words.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// {"questionId", "prediction"} of each answer, trailing periods gone, in lower case.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace gqa

namespace vizwiz {
/// LLaVA's file, or VizWiz's own questions or annotations.
std::vector<Question> questions(const DataFolder& data);
/// VizWiz's vqaEval.py (Qing Li): accuracy, per answer type, average precision and F1 of
/// "unanswerable"; and, as "accuracy (m4c)", both sides normalised as lmms-eval does.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// {"image", "answer"} in the order of the questions. Every question needs an answer.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace vizwiz

namespace scienceqa {
/// llava_test_CQM-A.json: with and without picture.
std::vector<Question> questions(const DataFolder& data);
/// LLaVA's eval_science_qa.py: accuracy on questions with a picture (reported) and on all; by
/// subject, context and grade where problems.json is there.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
}  // namespace scienceqa

namespace textvqa {
/// LLaVA's file with OCR tokens.
std::vector<Question> questions(const DataFolder& data);
/// m4c_evaluators.py; answers join by picture and lower-cased question.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
}  // namespace textvqa

namespace pope {
/// llava_pope_test.jsonl.
std::vector<Question> questions(const DataFolder& data);
/// LLaVA's eval_pope.py: mean of the three F1 (reported), and F1, accuracy, precision, recall and
/// yes ratio of each category.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
}  // namespace pope

namespace mme {
/// llava_mme.jsonl.
std::vector<Question> questions(const DataFolder& data);
/// calculation.py of MME's eval_tool: perception (reported), cognition, each category, and its
/// accuracy and accuracy+.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
}  // namespace mme

namespace mmbench {
/// The legacy English table: one question per circular pass.
std::vector<Question> questions(const DataFolder& data);
/// The Chinese one.
std::vector<Question> questions_cn(const DataFolder& data);
/// VLMEvalKit's circular rule with exact matching: circular (reported), vanilla, groups.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
Score score_cn(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// The workbook of the former server.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace mmbench

namespace seed_bench {
/// llava-seed-bench.jsonl.
std::vector<Question> questions(const DataFolder& data);
/// Exact letters: all (reported), image, video, each type.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// JSON lines {"question_id", "prediction"}: every question of SEED-Bench.json in its order, or
/// without it those of the questions file; identifiers are texts, as there.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace seed_bench

namespace llava_bench {
/// A judge's points for GPT-4's answer and for the model's; the script counts a review that does
/// not parse as this, and lets it enter the means.
struct ReviewPoints {
  double reference = -1;
  double candidate = -1;
};

/// Two numbers and exactly one blank between them on the first line, commas taken for blanks
/// ("8, 6" does not parse). Source: parse_score() of LLaVA's eval_gpt_review_bench.py.
ReviewPoints parse_review(std::string_view content);
/// questions.jsonl.
std::vector<Question> questions(const DataFolder& data);
/// Reviews of a judge: those given as answers, or all that the data folder holds. The ratio of all
/// (reported; the mean over the files), and per category.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
}  // namespace llava_bench

namespace mm_vet {
/// llava-mm-vet.jsonl, or mm-vet.json.
std::vector<Question> questions(const DataFolder& data);
/// mm-vet_evaluator.py over a judge's grades (given as answers, or in the data folder): total
/// (reported; mean of the runs), capabilities, their combinations.
Score score(const DataFolder& data, const Answers& answers, const ScoreOptions& options);
/// {"v1_0": text}: what the online evaluator takes.
Upload upload(const DataFolder& data, const Answers& answers);
}  // namespace mm_vet

}  // namespace vila::eval
