// SPDX-License-Identifier: Apache-2.0
#include "eval/judging.h"

#include <charconv>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/strings.h"
#include "eval/answer_log.h"
#include "eval/python_text.h"
#include "eval/rows.h"
#include "eval/tasks/benchmarks.h"
#include "eval/tasks/common.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReviewer =
    "You are a helpful and precise assistant for checking the quality of the answer.";

// What answers of one category are judged by.
struct CategoryRule {
  std::string role;
  std::string text;
};

CategoryRule rule_of(const Json& rules, const std::string& category, const std::string& source) {
  if (!rules.contains(category)) {
    fail(ErrorCode::invalid_data, "{}: expected a rule \"{}\", found none", source, category);
  }
  return {json_require<std::string>(rules[category], "role", source),
          json_require<std::string>(rules[category], "prompt", source)};
}

// Rows of a JSONL file by the text of a column.
std::map<std::string, Json> rows_by(const fs::path& path, const std::string& column) {
  std::map<std::string, Json> rows;
  for (Row& row : read_rows(path, {})) {
    const std::string key = text_of(value_at(row.columns(), column));
    rows[key] = std::move(row.columns());
  }
  return rows;
}

const Json& required(const std::map<std::string, Json>& rows, const std::string& key,
                     const std::string& what) {
  const auto found = rows.find(key);
  if (found == rows.end()) {
    fail(ErrorCode::invalid_data, "{}: expected a row of \"{}\", found none", what, key);
  }
  return found->second;
}

// A caption is one text or a list of lines.
std::string context_text(const Json& row) {
  const Json caption = value_at(row, "caption");
  if (!caption.is_array()) return text_of(caption);
  std::string joined;
  for (const Json& line : caption)
    joined += (joined.empty() ? "" : "\n") + text_of(line);
  return joined;
}

class LlavaBenchJudging {
 public:
  LlavaBenchJudging(const DataFolder& data, const Answers& answers)
      : questions_(llava_bench::questions(data)),
        answers_(answers),
        contexts_(rows_by(data.require("what the pictures show", {"context.jsonl"}), "image")),
        references_(
            rows_by(data.require("GPT-4's answers", {"answers_gpt4.jsonl"}), "question_id")),
        rules_file_(
            data.require("LLaVA's rule for its judge (llava/eval/table/rule.json)", {"rule.json"})),
        rules_(read_json_file(rules_file_, ErrorCode::invalid_data)) {}

  void run(const Judge& judge, const fs::path& reviews, const OnJudged& on_judged) {
    AnswerLog log(reviews);
    AnswerIndex index(answers_);
    int64_t number = 0;
    for (const Question& question : questions_) {
      ++number;
      const Answer* answer = require_answer(index, question.id, question.row, {});
      if (!log.take(question.id, "")) {
        log.append(review(question, *answer, number, judge));
      }
      if (on_judged) on_judged(number, static_cast<int64_t>(questions_.size()));
    }
  }

 private:
  Json review(const Question& question, const Answer& answer, int64_t number, const Judge& judge) {
    const std::string category = "llava_bench_" + question.category;
    const CategoryRule rule = rule_of(rules_, category, rules_file_.string());
    const Json& reference = required(references_, question.id, "answers_gpt4.jsonl");
    const JudgeReply reply = judge(review_request(
        {.context = context_text(required(contexts_, question.image, "context.jsonl")),
         .question = question.prompt,
         .reference = text_of(value_at(reference, "text")),
         .candidate = answer.text,
         .role = rule.role,
         .rule = rule.text}));
    const llava_bench::ReviewPoints points = llava_bench::parse_review(reply.text);
    return {
        {"id", number},
        {"question_id", question.id_is_number ? Json(std::stoll(question.id)) : Json(question.id)},
        {"answer1_id", value_at(reference, "answer_id")},
        {"category", category},
        {"judge", reply.model},
        {"content", reply.text},
        {"tuple", {points.reference, points.candidate}}};
  }

  std::vector<Question> questions_;
  const Answers& answers_;
  std::map<std::string, Json> contexts_;
  std::map<std::string, Json> references_;
  fs::path rules_file_;
  Json rules_;
};

// The text between the first pair of triple quotes of the evaluator's script that follows "prompt".
std::string evaluator_prompt(const DataFolder& data) {
  if (const auto text = data.find({"mm-vet_prompt.txt"})) return read_file(*text);
  const fs::path path = data.require("MM-Vet's evaluator, whose instructions the judge gets",
                                     {"mm-vet_evaluator.py", "mm-vet_prompt.txt"});
  constexpr std::string_view kOpen = "prompt = \"\"\"";
  const std::string script = read_file(path);
  const size_t open = script.find(kOpen);
  const size_t close =
      open == std::string::npos ? open : script.find("\"\"\"", open + kOpen.size());
  if (close == std::string::npos) {
    fail(ErrorCode::invalid_data, "{}: expected a text after {}, found none", path.string(), kOpen);
  }
  return script.substr(open + kOpen.size(), close - open - kOpen.size());
}

// What the evaluator keeps of one answer; it asks again up to five times, warmer each time, and
// does not read the fifth of those replies any more.
Json grade(JudgeRequest request, const Judge& judge) {
  constexpr int kMoreAttempts = 5;
  JudgeReply reply = judge(request);
  std::optional<double> score = parse_grade(reply.text);
  insist(request);
  for (int attempt = 0; !score && attempt < kMoreAttempts; ++attempt) {
    reply = judge(request);
    if (attempt + 1 < kMoreAttempts) score = parse_grade(reply.text);
    request.temperature += 0.5;
  }
  const std::string_view first = split(reply.text, " ").front();
  return {{"model", Json::array({reply.model})},
          {"content", Json::array({score ? std::string(python_strip(first)) : reply.text})},
          {"score", Json::array({score.value_or(0)})}};
}

void judge_mm_vet(const DataFolder& data, const Answers& answers, const Judge& judge,
                  const fs::path& reviews, const OnJudged& on_judged) {
  const std::string examples = evaluator_prompt(data);
  const std::vector<Row> rows = read_rows(data.require("MM-Vet's questions", {"mm-vet.json"}), {});
  AnswerIndex index(answers, [](const Answer& answer) {
    return answer.id.starts_with("v1_") ? answer.id : "v1_" + answer.id;
  });
  Json grades = Json::object();
  if (fs::exists(reviews)) grades = read_json_file(reviews, ErrorCode::invalid_data);
  int64_t done = 0;
  for (const Row& row : rows) {
    const std::string id = text_of(value_at(row.columns(), "key"));
    const Answer* answer = require_answer(index, id, row.place, {});
    if (!grades.contains(id)) {
      grades[id] = grade(grade_request(examples, text_of(value_at(row.columns(), "question")),
                                       text_of(value_at(row.columns(), "answer")), answer->text),
                         judge);
      write_file(reviews, grades.dump(4, ' ', true) + "\n");
    }
    if (on_judged) on_judged(++done, static_cast<int64_t>(rows.size()));
  }
}

}  // namespace

Json completion_body(const JudgeRequest& request, const std::string& model) {
  Json messages = Json::array();
  for (const auto& [role, content] : request.messages)
    messages.push_back({{"role", role}, {"content", content}});
  return {{"model", model},
          {"messages", messages},
          {"temperature", request.temperature},
          {"max_tokens", request.max_tokens}};
}

JudgeReply read_completion(const std::string& body, const std::string& source) {
  const Json json = parse_json(body, source);
  const Json text = value_at(json, "choices.message.content");  // of each choice
  if (text.is_array() && !text.empty() && text.front().is_string()) {
    return {.model = text_of(value_at(json, "model")), .text = text.front().get<std::string>()};
  }
  const std::string reason = text_of(value_at(json, "error.message"));
  fail(ErrorCode::invalid_data, "{}: expected choices with a message, found {}", source,
       reason.empty() ? "none" : "\"" + reason + "\"");
}

JudgeRequest review_request(const ReviewMaterial& material) {
  constexpr double kTemperature = 0.2;
  constexpr int64_t kMaxTokens = 1024;
  const std::string content = fmt::format(
      "[Context]\n{0}\n\n[Question]\n{1}\n\n[{2} 1]\n{3}\n\n[End of {2} 1]\n\n[{2} 2]\n{4}\n\n[End "
      "of "
      "{2} 2]\n\n[System]\n{5}\n\n",
      material.context, material.question, material.role, material.reference, material.candidate,
      material.rule);
  return {.messages = {{"system", kReviewer}, {"user", content}},
          .temperature = kTemperature,
          .max_tokens = kMaxTokens};
}

JudgeRequest grade_request(const std::string& examples, const std::string& question,
                           const std::string& gold, const std::string& answer) {
  constexpr int64_t kMaxTokens = 3;
  const std::string spaced = replace_all(replace_all(gold, "<AND>", " <AND> "), "<OR>", " <OR> ");
  return {.messages = {{"user",
                        fmt::format("{}\n{} | {} | {} | ", examples, question, spaced, answer)}},
          .temperature = 0,
          .max_tokens = kMaxTokens};
}

void insist(JudgeRequest& request) {
  request.messages.back().second += "\nPredict the correctness of the answer (digit): ";
}

std::optional<double> parse_grade(std::string_view reply) {
  const std::string_view word = python_strip(split(reply, " ").front());
  double value = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size()) return std::nullopt;
  if (!(value >= 0 && value <= 1)) return std::nullopt;
  return value;
}

void judge_answers(const std::string& task, const DataFolder& data, const Answers& answers,
                   const Judge& judge, const fs::path& reviews, const OnJudged& on_judged) {
  if (task == "llava-bench") {
    LlavaBenchJudging(data, answers).run(judge, reviews, on_judged);
  } else if (task == "mm-vet") {
    judge_mm_vet(data, answers, judge, reviews, on_judged);
  } else {
    fail(ErrorCode::invalid_argument, "judge: expected llava-bench or mm-vet, found {}", task);
  }
}

}  // namespace vila::eval
