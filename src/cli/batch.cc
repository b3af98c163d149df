// SPDX-License-Identifier: Apache-2.0
#include "cli/batch.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/output.h"
#include "cli/sampling.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kGroup = 16;  // requests decoded together

// Where answers go: stdout, or a file that is continued.
class BatchOutput {
 public:
  explicit BatchOutput(const fs::path& path) : path_(path) {
    if (path.empty()) return;
    keep_finished_lines();
    file_.open(path, std::ios::app | std::ios::binary);
    if (!file_) {
      fail(ErrorCode::failed, "{}: expected a file that can be written, found: {}", path.string(),
           std::strerror(errno));
    }
  }

  // Whether an earlier run has answered this id; true once for each such answer.
  bool take_finished(const Json& id) {
    const auto found = finished_.find(id.dump());
    if (found == finished_.end() || found->second == 0) return false;
    --found->second;
    return true;
  }

  void write(const Json& line) {
    if (path_.empty()) {
      write_out(json_line(line) + "\n");
      return;
    }
    file_ << json_line(line) << "\n" << std::flush;
    if (!file_) {
      fail(errno == ENOSPC ? ErrorCode::insufficient_disk : ErrorCode::failed,
           "{}: expected to append an answer, found: {}", path_.string(), std::strerror(errno));
    }
  }

 private:
  void keep_finished_lines() {
    if (!fs::exists(path_)) return;
    const std::string content = read_file(path_);
    const size_t whole = content.rfind('\n') == std::string::npos ? 0 : content.rfind('\n') + 1;
    if (whole != content.size()) fs::resize_file(path_, whole);
    for (size_t begin = 0, number = 1; begin < whole; ++number) {
      const size_t end = content.find('\n', begin);
      const std::string source = fmt::format("{}:{}", path_.string(), number);
      const Json line = parse_json(std::string_view(content).substr(begin, end - begin), source);
      if (line.is_object() && line.contains("id")) ++finished_[line["id"].dump()];
      begin = end + 1;
    }
  }

  fs::path path_;
  std::ofstream file_;
  std::map<std::string, int64_t> finished_;
};

// The lines of the input, each with its id (the line's number where it names none).
struct Line {
  Json id;
  Json content;       // null when there is an error
  std::string error;  // why it is not a request
};

Line parse_line(const std::string& text, int64_t number, const std::string& source) {
  Line line{.id = number, .content = nullptr, .error = ""};
  try {
    Json content = parse_json(text, fmt::format("{}:{}", source, number));
    if (!content.is_object()) {
      fail(ErrorCode::invalid_data, "{}:{}: expected an object", source, number);
    }
    if (content.contains("id")) line.id = content["id"];
    line.content = std::move(content);
  } catch (const Error& error) {
    line.error = error.what();
  }
  return line;
}

class Batch {
 public:
  Batch(engine::Engine& engine, const BatchOptions& options)
      : engine_(engine),
        options_(options),
        folder_(options.input == "-" ? fs::path() : fs::path(options.input).parent_path()),
        chat_template_(options.chat_template.empty()
                           ? engine.chat_template()
                           : text::find_chat_template(options.chat_template)),
        media_(engine.config(), options.num_frames),
        output_(options.output) {}

  void run(std::istream& input, const std::function<bool()>& is_cancelled) {
    std::string text;
    for (int64_t number = 1; std::getline(input, text); ++number) {
      if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
      Line line = parse_line(text, number, options_.input);
      if (output_.take_finished(line.id)) continue;
      group_.push_back(std::move(line));
      if (group_.size() == kGroup) answer_group(is_cancelled);
    }
    answer_group(is_cancelled);
  }

 private:
  void answer_group(const std::function<bool()>& is_cancelled) {
    if (is_cancelled()) throw Error(ErrorCode::cancelled, "stopped");
    std::vector<engine::Request> requests;
    std::vector<size_t> asked;  // lines of the group that became requests
    for (size_t i = 0; i < group_.size(); ++i) {
      if (prepare(group_[i], requests)) asked.push_back(i);
    }
    std::vector<Json> answers(group_.size());
    const auto results = engine_.generate_batch(requests);
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].result) {
        answers[asked[i]] = result_json(*results[i].result, engine_.tokenizer());
      } else {
        group_[asked[i]].error = results[i].error;
      }
    }
    for (size_t i = 0; i < group_.size(); ++i)
      write_answer(group_[i], std::move(answers[i]));
    group_.clear();
  }

  bool prepare(Line& line, std::vector<engine::Request>& requests) {
    if (!line.error.empty()) return false;
    try {
      const Question question = parse_batch_line(line.content, options_, folder_, media_);
      requests.push_back(make_request(question, chat_template_));
      return true;
    } catch (const std::exception& error) {
      line.error = error.what();
      return false;
    }
  }

  void write_answer(const Line& line, Json answer) {
    if (!line.error.empty()) answer = {{"error", line.error}};
    answer["id"] = line.id;
    output_.write(answer);
  }

  engine::Engine& engine_;
  const BatchOptions& options_;
  fs::path folder_;
  const text::ChatTemplate& chat_template_;
  MediaLoader media_;
  BatchOutput output_;
  std::vector<Line> group_;
};

std::vector<std::string> names_in(const Json& line, const char* key) {
  if (!line.contains(key)) return {};
  const Json& names = line[key];
  std::vector<std::string> paths;
  if (!names.is_array()) fail(ErrorCode::invalid_data, "{}: expected a list of paths", key);
  for (const Json& name : names) {
    if (!name.is_string())
      fail(ErrorCode::invalid_data, "{}: expected paths, found {}", key, name.dump());
    paths.push_back(name.get<std::string>());
  }
  return paths;
}

// "videos", or the one "video".
std::vector<std::string> video_names(const Json& line) {
  if (!line.contains("video")) return names_in(line, "videos");
  if (line.contains("videos")) {
    fail(ErrorCode::invalid_data, "request: expected either video or videos");
  }
  return {json_require<std::string>(line, "video", "request")};
}

void load_media(const Json& line, const fs::path& folder, MediaLoader& media, Question& question) {
  for (const std::string& name : names_in(line, "images"))
    question.images.push_back(media.image(folder / name));
  const auto num_frames = json_get<int64_t>(line, "num_frames", 0, "request");
  if (num_frames < 0) {
    fail(ErrorCode::invalid_data, "num_frames: expected at least 1, found {}", num_frames);
  }
  for (const std::string& name : video_names(line))
    question.videos.push_back(media.video(folder / name, num_frames));
}

Conversation line_conversation(const Json& line, const BatchOptions& options) {
  Conversation conversation;
  if (line.contains("messages")) {
    conversation = parse_messages(line["messages"], "request");
  } else {
    conversation.messages = {{"user", json_require<std::string>(line, "prompt", "request")}};
  }
  if (line.contains("system")) {
    conversation.system = json_require<std::string>(line, "system", "request");
  } else if (!conversation.system) {
    conversation.system = options.system;
  }
  return conversation;
}

}  // namespace

Question parse_batch_line(const Json& line, const BatchOptions& options, const fs::path& folder,
                          MediaLoader& media) {
  if (line.contains("prompt") == line.contains("messages")) {
    fail(ErrorCode::invalid_data, "request: expected either prompt or messages");
  }
  Question question;
  question.options = options.sampling;
  load_media(line, folder, media, question);
  question.is_raw = json_get<bool>(line, "raw", options.is_raw, "request");
  if (question.is_raw) {
    question.raw = json_require<std::string>(line, "prompt", "request");
  } else {
    question.conversation = line_conversation(line, options);
    place_media(question.conversation, {std::ssize(question.images), std::ssize(question.videos)},
                media.prompt_rule());
  }
  for (const auto& [name, value] : line.items())
    set_sampling(question.options, name, value);
  check_sampling(question.options);
  return question;
}

void run_batch(engine::Engine& engine, const BatchOptions& options,
               const std::function<bool()>& is_cancelled) {
  Batch batch(engine, options);
  if (options.input == "-") {
    batch.run(std::cin, is_cancelled);
    return;
  }
  std::ifstream file(options.input, std::ios::binary);
  if (!file || fs::is_directory(options.input)) {
    fail(ErrorCode::not_found, "{}: expected a JSONL file of requests, found none", options.input);
  }
  batch.run(file, is_cancelled);
}

}  // namespace vila::cli
