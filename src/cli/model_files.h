// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>

namespace vila::cli {

/// The file of the running program.
std::filesystem::path executable_path();

/// The folder of the model that a user named: a checkpoint folder, a weight file inside one, or the
/// name of a shipped model ("nano"). Empty: $VILA_MODEL, else the shipped one.
/// @throws Error{not_found} listing every place that was tried.
std::filesystem::path resolve_model(const std::string& name);

/// The same, with the program's file given (for tests).
std::filesystem::path resolve_model(const std::string& name,
                                    const std::filesystem::path& executable);

}  // namespace vila::cli
