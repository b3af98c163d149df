// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "vila/error.h"

namespace vila {

/// Throws Error{code, formatted message}.
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// A line of our own source. (clang 14 has no std::source_location.)
struct SourceLine {
  const char* file;
  int line;
};

/// Throws Bug naming the condition and the place.
[[noreturn]] void throw_bug(const char* condition, std::string_view message, SourceLine where);

/// Runs `body`; an Error that leaves it gets "frame: " in front of its message.
template <typename Body>
decltype(auto) with_context(const std::string& frame, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    throw error.add_context(frame);
  }
}

}  // namespace vila

/// Our own invariants: throws vila::Bug when false, in every build. Never for user input.
#define VILA_CHECK(condition, ...)                                 \
  do {                                                             \
    if (!(condition)) [[unlikely]]                                 \
      ::vila::throw_bug(#condition, ::fmt::format("" __VA_ARGS__), \
                        ::vila::SourceLine{__FILE__, __LINE__});   \
  } while (false)
