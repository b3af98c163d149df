// SPDX-License-Identifier: Apache-2.0
#include "eval/answer_log.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "eval/answers.h"

namespace vila::eval {
namespace {

std::string key_of(std::string_view question_id, std::string_view prompt) {
  return fmt::format("{}\n{}", question_id, prompt);
}

}  // namespace

AnswerLog::AnswerLog(std::filesystem::path path) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) read_earlier();
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    fail(ErrorCode::failed, "{}: expected a file that can be written, found: {}", path_.string(),
         std::strerror(errno));
  }
}

AnswerLog::~AnswerLog() {
  if (descriptor_ < 0) return;
  flush();
  ::close(descriptor_);
}

void AnswerLog::flush() {
  if (!is_flushed_) ::fdatasync(descriptor_);
  is_flushed_ = true;
  since_flush_.restart();
}

void AnswerLog::read_earlier() {
  const std::string content = read_file(path_);
  const size_t whole = content.rfind('\n') + 1;  // npos + 1 is 0
  if (whole != content.size()) std::filesystem::resize_file(path_, whole);
  if (whole == 0) return;
  for (const Answer& answer : read_answers(path_).rows) {
    ++answered_[key_of(answer.id, answer.prompt)];
    ++earlier_rows_;
  }
}

bool AnswerLog::take(std::string_view question_id, std::string_view prompt) {
  const auto found = answered_.find(key_of(question_id, prompt));
  if (found == answered_.end() || found->second == 0) return false;
  --found->second;
  return true;
}

void AnswerLog::append(const Json& row) {
  const std::string line = row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (size_t written = 0; written < line.size();) {
    const ssize_t count = ::write(descriptor_, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      fail(errno == ENOSPC ? ErrorCode::insufficient_disk : ErrorCode::failed,
           "{}: expected to append an answer, found: {}", path_.string(), std::strerror(errno));
    }
    written += static_cast<size_t>(count);
  }
  is_flushed_ = false;
  // A flush takes milliseconds: for slow models after each answer, for fast ones now and then.
  constexpr double kFlushSeconds = 0.1;
  if (since_flush_.seconds() > kFlushSeconds) flush();
}

}  // namespace vila::eval
