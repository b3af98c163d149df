// SPDX-License-Identifier: Apache-2.0
#include "eval/harness.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "data/fingerprint.h"
#include "eval/asking.h"
#include "eval/report.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

std::string hex(const data::Fingerprint& fingerprint) {
  return fmt::format("{:016x}{:016x}", fingerprint.words[0], fingerprint.words[1]);
}

// Refuses to mix answers of two protocols or models, and to overwrite any.
void check_protocol(const Json& protocol, const EvalOptions& options) {
  const fs::path file = options.out / "protocol.json";
  if (fs::exists(options.out / "answers.jsonl") && !options.is_resumed) {
    fail(ErrorCode::invalid_argument,
         "{}: expected a folder without answers, found some; --resume goes on with them",
         options.out.string());
  }
  if (!fs::exists(file)) {
    write_file(file, protocol.dump(2) + "\n");
    return;
  }
  const Json earlier = read_json_file(file, ErrorCode::invalid_data);
  for (const char* member : {"protocol_id", "model"}) {
    if (earlier.value(member, Json()) != protocol[member]) {
      fail(ErrorCode::invalid_argument,
           "{}: expected answers with {} {}, found {}; take another --out", file.string(), member,
           protocol[member].dump(), earlier.value(member, Json()).dump());
    }
  }
}

// Of each picture file, so that a folder of other or smaller copies counts as other data.
uintmax_t picture_bytes(const DataFolder& data, const PictureSource& source,
                        const std::string& row) {
  return source.base64.empty() ? fs::file_size(data.picture(source.file, row)) : 0;
}

void write_items(const Score& score, const fs::path& path) {
  std::string lines;
  for (const ItemScore& item : score.items)
    lines += item_json(item).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  write_file(path, lines);
}

// Apart from the score, which is the same however often a run was broken off.
void write_timing(const AskingTime& spent, double seconds, const fs::path& path) {
  const double bare = spent.model + spent.pictures;
  Json timing = {{"asked", spent.asked},
                 {"seconds", seconds},
                 {"model_seconds", spent.model},
                 {"picture_seconds", spent.pictures}};
  if (bare > 0) timing["overhead"] = seconds / bare - 1;
  write_file(path, timing.dump(2) + "\n");
}

}  // namespace

std::string protocol_id(const Task& task, const DataFolder& data,
                        std::span<const Question> questions, const std::string& decoding) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}\n", task.name, task.protocol, task.max_tokens, decoding);
  for (const Question& question : questions) {
    text += fmt::format("{}\n{}\n{}\n{}\n", question.id, question.image,
                        hex(data::fingerprint(question.image_bytes)), question.prompt);
    for (const PictureSource& source : picture_sources(question))
      text += fmt::format("{} {} {}\n", source.file, hex(data::fingerprint(source.base64)),
                          picture_bytes(data, source, question.row));
    text += fmt::format("{} {} {} {} {} {} {}\n", question.pictures_in_front, question.video,
                        question.video_frames, question.video_part.begin, question.video_part.end,
                        question.is_raw, question.max_tokens);
    text += fmt::format("{} {} {}\n", question.options, question.continuations, question.stop);
  }
  return hex(data::fingerprint(text));
}

Json run_task(const Task& task, const DataFolder& data, const Model& model, PictureStore& pictures,
              const EvalOptions& options) {
  const Stopwatch watch;
  std::vector<Question> questions = task.questions(data);
  const bool is_partial =
      options.limit > 0 && options.limit < static_cast<int64_t>(questions.size());
  if (is_partial) questions.resize(static_cast<size_t>(options.limit));
  const std::string id = protocol_id(task, data, questions, options.decoding);
  fs::create_directories(options.out);
  const Json protocol = {{"protocol_id", id},
                         {"model", options.model},
                         {"task", task.name},
                         {"title", task.title},
                         {"protocol", task.protocol},
                         {"decoding", options.decoding},
                         {"max_tokens", task.max_tokens},
                         {"questions", questions.size()}};
  check_protocol(protocol, options);
  QuestionPictures question_pictures(data, pictures);
  const AskingTime spent = ask_all(questions, task, model, question_pictures, options);
  const Answers answers = read_answers(options.out / "answers.jsonl");
  const Score score = score_answers(task, data, options.judge ? options.judge(answers) : answers,
                                    {.is_partial = is_partial});
  if (task.upload != nullptr && !is_partial) {
    const Upload upload = task.upload(data, answers);
    write_file(options.out / upload.name, upload.content);
  }
  Json json = score_json(score);
  json.update(protocol);
  write_items(score, options.out / "items.jsonl");
  write_file(options.out / "report.html", html_report(json, score, questions, answers, data));
  write_file(options.out / "score.json", json.dump(2) + "\n");
  write_timing(spent, watch.seconds(), options.out / "timing.json");
  return json;
}

}  // namespace vila::eval
