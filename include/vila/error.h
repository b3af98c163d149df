// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <string>

namespace vila {

/// What went wrong, as far as a caller can act on it. The exit code of each is in exit_code().
enum class ErrorCode {
  failed,               // it was worth trying and did not work
  invalid_argument,     // wrong use: an option, a prompt, a recipe
  insufficient_memory,  // said before the work starts
  insufficient_disk,
  invalid_model,   // a checkpoint, a tensor, a tokenizer
  invalid_config,  // a config.json or a recipe that contradicts itself
  invalid_data,    // a data set, a row of it
  invalid_image,   // a picture or a video
  not_found,       // a file or a model that is not there
  network,
  cancelled,
};

/// The process exit code of an error: 1 failed, 2 wrong use, 3 not enough memory or disk,
/// 4 bad model, data or media file (also when it is missing), 5 network, 130 cancelled.
int exit_code(ErrorCode code) noexcept;

/// The name of a code as written here, e.g. "invalid_image".
const char* error_code_name(ErrorCode code) noexcept;

/// The one exception for "the world is wrong": message says what was expected, what was found,
/// where, and what to do. Layers add where they were with add_context(). A copyable value.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);

  ErrorCode code() const noexcept { return code_; }

  const char* what() const noexcept override { return message_.c_str(); }

  const std::string& message() const noexcept { return message_; }

  /// Puts "frame: " in front of the message and returns itself, for `throw error.add_context(…)`.
  Error& add_context(const std::string& frame);

 private:
  ErrorCode code_;
  std::string message_;
};

/// A mistake of ours (a broken invariant), thrown by VILA_CHECK with its source location.
class Bug : public std::exception {
 public:
  explicit Bug(std::string message);

  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

}  // namespace vila
