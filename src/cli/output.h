// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/log.h"

namespace vila::cli {

/// Writes to stdout at once. @throws Error{insufficient_disk} when it cannot take more,
/// Error{failed} when it is closed.
void write_out(std::string_view text);

/// One JSON document and a newline to stdout, `indent` < 0: on one line. Malformed UTF-8 becomes
/// U+FFFD. @throws as write_out().
void write_json(const Json& value, int indent = -1);

/// One line of JSON text, without the newline, malformed UTF-8 replaced.
std::string json_line(const Json& value);

/// "error: …" to stderr; red on a terminal unless NO_COLOR is set.
void print_error(std::string_view message);

/// A line to stderr.
void print_note(std::string_view message);

/// Notes on stderr: information and warnings, no debug messages.
LogSink stderr_log();

}  // namespace vila::cli
