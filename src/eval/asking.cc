// SPDX-License-Identifier: Apache-2.0
#include "eval/asking.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "base/strings.h"
#include "data/fingerprint.h"
#include "eval/answer_log.h"
#include "eval/answers.h"
#include "eval/python_text.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMmbenchRounds = 1'000'000;
constexpr size_t kBatchesSorted = 4;  // batches whose questions are ordered by length together

std::string short_hash(const std::string& text) {
  return fmt::format("{:016x}", data::fingerprint(text).words[0]);
}

// The row that LLaVA's runners write.
Json answer_row(const Question& question, const std::string& text, Json metadata,
                const EvalOptions& options) {
  Json row = {{"prompt", stored_prompt(question)},
              {"text", text},
              {"model_id", options.model},
              {"metadata", std::move(metadata)}};
  row["question_id"] = question.id_is_number ? Json(std::stoll(question.id)) : Json(question.id);
  row["answer_id"] = short_hash(question.id + "\n" + text);
  if (!question.options.empty()) {
    row["round_id"] = std::stoll(question.id) / kMmbenchRounds;
    row["options"] = question.options;
    row["option_char"] = Json::array();
    for (size_t i = 0; i < question.options.size(); ++i)
      row["option_char"].push_back(std::string(1, static_cast<char>('A' + i)));
  }
  return row;
}

// What a question shows first; "" for words alone.
std::string_view first_media(const Question& question) {
  if (!question.video.empty()) return question.video;
  if (!question.pictures.empty()) {
    const PictureSource& first = question.pictures.front();
    return first.base64.empty() ? first.file : first.base64;
  }
  return question.image_bytes.empty() ? question.image : question.image_bytes;
}

// Long prompts first, so that those of a batch end at about the same time; but questions about one
// picture stay together, since a batch computes what its prompts begin with in common once.
void order_for_batches(std::span<const Question*> window) {
  std::map<std::string_view, size_t> longest;
  for (const Question* question : window) {
    size_t& length = longest[first_media(*question)];
    length = std::max(length, question->prompt.size());
  }
  const auto rank = [&](const Question& question) {
    const std::string_view media = first_media(question);
    return std::tuple(media.empty() ? question.prompt.size() : longest.at(media), media,
                      question.prompt.size());
  };
  std::stable_sort(window.begin(), window.end(),
                   [&](const Question* a, const Question* b) { return rank(*a) > rank(*b); });
}

// A run over the questions that have no answer yet.
class Run {
 public:
  Run(const Task& task, const Model& model, QuestionPictures& pictures, const EvalOptions& options)
      : task_(task),
        model_(model),
        pictures_(pictures),
        options_(options),
        log_(options.out / "answers.jsonl") {}

  AskingTime ask(std::span<const Question> questions) {
    progress_.total = static_cast<int64_t>(questions.size());
    std::vector<const Question*> pending;
    for (const Question& question : questions) {
      if (log_.take(question.id, stored_prompt(question))) {
        ++progress_.done;
      } else {
        pending.push_back(&question);
      }
    }
    const size_t window = batch_size() * kBatchesSorted;
    for (size_t begin = 0; begin < pending.size(); begin += window) {
      const size_t count = std::min(window, pending.size() - begin);
      ask_window(std::span(pending).subspan(begin, count));
    }
    return spent_;
  }

 private:
  size_t batch_size() const { return static_cast<size_t>(std::max<int64_t>(1, options_.batch)); }

  void ask_window(std::span<const Question*> window) {
    order_for_batches(window);
    for (size_t begin = 0; begin < window.size(); begin += batch_size()) {
      if (options_.is_cancelled && options_.is_cancelled()) {
        throw Error(ErrorCode::cancelled, "stopped; --resume goes on");
      }
      const auto batch = window.subspan(begin, std::min(batch_size(), window.size() - begin));
      if (task_.asking == Asking::generate) {
        generate(batch);
      } else {
        for (const Question* question : batch)
          measure(*question);
      }
    }
  }

  Prompt prompt_of(const Question& question) {
    const bool has_places = !question.pictures.empty();
    const Stopwatch watch;
    std::vector<std::shared_ptr<const media::Image>> pictures = pictures_.load(question);
    spent_.pictures += watch.seconds();
    const int64_t in_front = has_places ? question.pictures_in_front : std::ssize(pictures);
    return {.text = question.prompt,
            .pictures = std::move(pictures),
            .pictures_in_front = in_front,
            .videos = pictures_.videos(question),
            .row = question.row,
            .is_raw = question.is_raw,
            .max_tokens = question.max_tokens > 0 ? question.max_tokens : task_.max_tokens,
            .stop = question.stop};
  }

  void generate(std::span<const Question* const> batch) {
    std::vector<Prompt> prompts;
    for (const Question* question : batch)
      prompts.push_back(prompt_of(*question));
    const Stopwatch watch;
    double recording = 0;
    model_.generate(prompts, [&](size_t index, const Reply& reply) {
      const Stopwatch reply_watch;
      const Question& question = *batch[index];
      if (!reply.error.empty()) {
        fail(ErrorCode::failed, "{}: expected an answer, found: {}", question.row, reply.error);
      }
      record(question, std::string(python_strip(reply.text)), Json::object());
      recording += reply_watch.seconds();
    });
    spent_.model += watch.seconds() - recording;
  }

  // Asks for probabilities in place of words.
  void measure(const Question& question) {
    with_context(question.row, [&] {
      if (task_.asking == Asking::losses) {
        const Stopwatch watch;
        const std::vector<double> losses = model_.losses(question.prompt);
        spent_.model += watch.seconds();
        record(question,
               fmt::format("{} {} {}", std::accumulate(losses.begin(), losses.end(), 0.0),
                           losses.size(), question.prompt.size()),
               Json::object());
        return;
      }
      const Prompt prompt = prompt_of(question);
      const Stopwatch watch;
      const auto found = model_.log_likelihoods(prompt, question.continuations);
      spent_.model += watch.seconds();
      const auto best = std::max_element(found.begin(), found.end()) - found.begin();
      record(question, std::string(1, static_cast<char>('A' + best)), {{"log_likelihoods", found}});
    });
  }

  void record(const Question& question, const std::string& text, Json metadata) {
    log_.append(answer_row(question, text, std::move(metadata), options_));
    ++progress_.done;
    ++spent_.asked;
    progress_.seconds_left = time_.seconds() / static_cast<double>(spent_.asked) *
                             static_cast<double>(progress_.total - progress_.done);
    if (options_.on_progress) options_.on_progress(progress_);
  }

  const Task& task_;
  const Model& model_;
  QuestionPictures& pictures_;
  const EvalOptions& options_;
  AnswerLog log_;
  Progress progress_;
  AskingTime spent_;
  Stopwatch time_;
};

std::string key_of(std::string_view id, std::string_view prompt) {
  return fmt::format("{}\n{}", id, prompt);
}

// Batches end in their own order; servers and people expect that of the questions.
void order_answers(std::span<const Question> questions, const fs::path& path) {
  const std::string content = read_file(path);
  std::map<std::string, std::deque<std::string_view>> lines;
  const Answers answers = read_answers(path);
  const auto texts = split(std::string_view(content), "\n");
  for (const Answer& answer : answers.rows)
    lines[key_of(answer.id, answer.prompt)].push_back(texts[static_cast<size_t>(answer.row) - 1]);
  std::string ordered;
  for (const Question& question : questions) {
    auto& rows = lines[key_of(question.id, stored_prompt(question))];
    if (rows.empty()) continue;
    ordered += rows.front();
    ordered += '\n';
    rows.pop_front();
  }
  if (ordered.size() == content.size() && ordered != content) write_file(path, ordered);
}

}  // namespace

const std::string& stored_prompt(const Question& question) {
  return question.stored_prompt.empty() ? question.prompt : question.stored_prompt;
}

AskingTime ask_all(std::span<const Question> questions, const Task& task, const Model& model,
                   QuestionPictures& pictures, const EvalOptions& options) {
  const AskingTime spent = Run(task, model, pictures, options).ask(questions);
  order_answers(questions, options.out / "answers.jsonl");
  return spent;
}

}  // namespace vila::eval
