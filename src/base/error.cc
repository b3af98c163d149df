// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

namespace vila {
namespace {

struct CodeRow {
  ErrorCode code;
  const char* name;
  int exit_code;
};

constexpr CodeRow kCodes[] = {
    {ErrorCode::failed, "failed", 1},
    {ErrorCode::invalid_argument, "invalid_argument", 2},
    {ErrorCode::insufficient_memory, "insufficient_memory", 3},
    {ErrorCode::insufficient_disk, "insufficient_disk", 3},
    {ErrorCode::invalid_model, "invalid_model", 4},
    {ErrorCode::invalid_config, "invalid_config", 4},
    {ErrorCode::invalid_data, "invalid_data", 4},
    {ErrorCode::invalid_image, "invalid_image", 4},
    {ErrorCode::not_found, "not_found", 4},
    {ErrorCode::network, "network", 5},
    {ErrorCode::cancelled, "cancelled", 130},
};

const CodeRow& row_of(ErrorCode code) noexcept {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  return kCodes[0];
}

}  // namespace

int exit_code(ErrorCode code) noexcept {
  return row_of(code).exit_code;
}

const char* error_code_name(ErrorCode code) noexcept {
  return row_of(code).name;
}

Error::Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

Error& Error::add_context(const std::string& frame) {
  message_ = frame + ": " + message_;
  return *this;
}

Bug::Bug(std::string message) : message_(std::move(message)) {}

void throw_bug(const char* condition, std::string_view message, SourceLine where) {
  throw Bug(fmt::format("{}:{}: internal check failed: {}{}{} (this is a bug, please report it)",
                        where.file, where.line, condition, message.empty() ? "" : ": ", message));
}

}  // namespace vila
