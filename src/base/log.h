// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace vila {

/// How much a message matters.
enum class LogLevel { debug, info, warning };

/// Where a library function reports what a person may want to know: the application decides what
/// becomes of it. Empty: nothing is said. Called from one thread.
using LogSink = std::function<void(LogLevel level, std::string_view message)>;

}  // namespace vila
