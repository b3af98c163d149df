// SPDX-License-Identifier: Apache-2.0
#include "eval/harness.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "data/fingerprint.h"
#include "eval/answer_log.h"
#include "eval/python_text.h"
#include "eval/report.h"
#include "media/decode.h"

namespace vila::eval {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRecentPictures = 8;
constexpr int64_t kMmbenchRounds = 1'000'000;

std::string hex(const data::Fingerprint& fingerprint) {
  return fmt::format("{:016x}{:016x}", fingerprint.words[0], fingerprint.words[1]);
}

const std::string& stored_prompt(const Question& question) {
  return question.stored_prompt.empty() ? question.prompt : question.stored_prompt;
}

// The row that LLaVA's runners write.
Json answer_row(const Question& question, const std::string& text, const EvalOptions& options) {
  Json row = {{"prompt", stored_prompt(question)},
              {"text", text},
              {"model_id", options.model},
              {"metadata", Json::object()}};
  row["question_id"] = question.id_is_number ? Json(std::stoll(question.id)) : Json(question.id);
  row["answer_id"] = hex(data::fingerprint(question.id + "\n" + text)).substr(0, 22);
  if (!question.options.empty()) {
    row["round_id"] = std::stoll(question.id) / kMmbenchRounds;
    row["options"] = question.options;
    row["option_char"] = Json::array();
    for (size_t i = 0; i < question.options.size(); ++i)
      row["option_char"].push_back(std::string(1, static_cast<char>('A' + i)));
  }
  return row;
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

void check_pictures(const DataFolder& data, std::span<const Question> questions) {
  for (const Question& question : questions) {
    if (question.image_bytes.empty() && !question.image.empty()) {
      data.picture(question.image, question.row);
    }
  }
}

// Asks what the log does not have yet.
void ask_all(const DataFolder& data, std::span<const Question> questions, const Task& task,
             const Asker& ask, const EvalOptions& options) {
  AnswerLog log(options.out / "answers.jsonl");
  QuestionPictures pictures(data);
  Progress progress{.done = 0, .total = static_cast<int64_t>(questions.size())};
  const Stopwatch time;
  int64_t asked = 0;
  for (const Question& question : questions) {
    ++progress.done;
    if (log.take(question.id, stored_prompt(question))) continue;
    if (options.is_cancelled && options.is_cancelled()) {
      throw Error(ErrorCode::cancelled, "stopped; --resume goes on");
    }
    const std::string answer = with_context(question.row, [&] {
      return ask(pictures.load(question), question.prompt, task.max_tokens);
    });
    log.append(answer_row(question, std::string(python_strip(answer)), options));
    ++asked;
    progress.seconds_left = time.seconds() / static_cast<double>(asked) *
                            static_cast<double>(progress.total - progress.done);
    if (options.on_progress) options.on_progress(progress);
  }
}

void write_items(const Score& score, const fs::path& path) {
  std::string lines;
  for (const ItemScore& item : score.items)
    lines += item_json(item).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  write_file(path, lines);
}

}  // namespace

std::string decode_base64(std::string_view text, const std::string& source) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=' || c == '\n' || c == '\r') continue;
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) {
      fail(ErrorCode::invalid_data, "{}: expected a picture in base64, found '{}' in it", source,
           c);
    }
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++count == 4) {
      for (int shift = 16; shift >= 0; shift -= 8)
        bytes += static_cast<char>(bits >> shift & 0xFF);
      bits = 0;
      count = 0;
    }
  }
  if (count >= 2) bytes += static_cast<char>(bits >> (count == 2 ? 4 : 10) & 0xFF);
  if (count == 3) bytes += static_cast<char>(bits >> 2 & 0xFF);
  return bytes;
}

std::string QuestionPictures::bytes(const Question& question) const {
  if (!question.image_bytes.empty()) return decode_base64(question.image_bytes, question.row);
  if (question.image.empty()) return "";
  return read_file(data_.picture(question.image, question.row));
}

std::shared_ptr<const media::Image> QuestionPictures::load(const Question& question) {
  const std::string& key = question.image_bytes.empty() ? question.image : question.image_bytes;
  if (key.empty()) return nullptr;
  const auto found = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& entry) { return entry.first == key; });
  if (found != recent_.end()) return found->second;
  const std::string encoded = bytes(question);
  auto image = std::make_shared<const media::Image>(
      media::decode_image(std::as_bytes(std::span(encoded)), question.row));
  recent_.emplace_front(key, image);
  if (recent_.size() > kRecentPictures) recent_.pop_back();
  return image;
}

std::string protocol_id(const Task& task, std::span<const Question> questions,
                        const std::string& decoding) {
  std::string text =
      fmt::format("{}\n{}\n{}\n{}\n", task.name, task.protocol, task.max_tokens, decoding);
  for (const Question& question : questions) {
    text += fmt::format("{}\n{}\n{}\n{}\n", question.id, question.image,
                        hex(data::fingerprint(question.image_bytes)), question.prompt);
  }
  return hex(data::fingerprint(text));
}

Json run_task(const Task& task, const DataFolder& data, const Asker& ask,
              const EvalOptions& options) {
  std::vector<Question> questions = task.questions(data);
  const bool is_partial =
      options.limit > 0 && options.limit < static_cast<int64_t>(questions.size());
  if (is_partial) questions.resize(static_cast<size_t>(options.limit));
  check_pictures(data, questions);
  fs::create_directories(options.out);
  const Json protocol = {{"protocol_id", protocol_id(task, questions, options.decoding)},
                         {"model", options.model},
                         {"task", task.name},
                         {"protocol", task.protocol},
                         {"decoding", options.decoding},
                         {"max_tokens", task.max_tokens},
                         {"questions", questions.size()}};
  check_protocol(protocol, options);
  ask_all(data, questions, task, ask, options);
  const Answers answers = read_answers(options.out / "answers.jsonl");
  const Score score = score_answers(task, data, answers, {.is_partial = is_partial});
  if (task.upload != nullptr && !is_partial) {
    const Upload upload = task.upload(data, answers);
    write_file(options.out / upload.name, upload.content);
  }
  Json json = score_json(score);
  json.update(protocol);
  write_items(score, options.out / "items.jsonl");
  write_file(options.out / "report.html", html_report(json, score, questions, answers, data));
  write_file(options.out / "score.json", json.dump(2) + "\n");
  return json;
}

}  // namespace vila::eval
