// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "formats/model_source.h"

namespace vila::cli {

/// The file of the running program.
std::filesystem::path executable_path();

/// Where the model that a user named stands: a checkpoint folder, a file that holds a whole model
/// (.vila, .gguf), the folder around a weight file, what ORG/NAME[@REVISION] is in the Hub's cache
/// (never the network), or a shipped model ("nano"): its .vila file, else its folder. Empty:
/// $VILA_MODEL, else the shipped one.
/// @throws Error{not_found} listing every place that was tried.
std::filesystem::path resolve_model(const std::string& name);

/// The same with all that the model may build upon. @param base  --base, "" where it is not given
formats::ModelSource find_model(const std::string& name, const std::string& base);

/// The same, with the program's file given (for tests).
std::filesystem::path resolve_model(const std::string& name,
                                    const std::filesystem::path& executable);

/// Every model that is here without being named: those that ship with the program, sorted, and
/// behind them $VILA_MODEL where it names one.
std::vector<std::filesystem::path> found_models(const std::filesystem::path& executable);

}  // namespace vila::cli
