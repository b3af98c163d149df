// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"

namespace vila::cli {
namespace {

bool has_colour() {
  const char* no_colour = std::getenv("NO_COLOR");
  return (no_colour == nullptr || *no_colour == '\0') && isatty(STDERR_FILENO) == 1;
}

}  // namespace

void write_out(std::string_view text) {
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (is_written && std::fflush(stdout) == 0) return;
  const int reason = errno;
  fail(reason == ENOSPC ? ErrorCode::insufficient_disk : ErrorCode::failed,
       "standard output: expected to write {} bytes, found: {}", text.size(),
       std::strerror(reason));
}

void write_json(const Json& value, int indent) {
  write_out(value.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string json_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_error(std::string_view message) {
  const bool is_coloured = has_colour();
  const std::string line = fmt::format("{}error:{} {}\n", is_coloured ? "\033[31m" : "",
                                       is_coloured ? "\033[0m" : "", message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void print_note(std::string_view message) {
  const std::string line = fmt::format("{}\n", message);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

LogSink stderr_log() {
  return [](LogLevel level, std::string_view message) {
    if (level == LogLevel::debug) return;
    print_note(level == LogLevel::warning ? fmt::format("warning: {}", message)
                                          : std::string(message));
  };
}

}  // namespace vila::cli
