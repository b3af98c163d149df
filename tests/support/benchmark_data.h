// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace vila::test {

/// Writes a made-up data folder of a benchmark (a name of `vila eval`) in its published layout:
/// a few questions with their gold answers.
/// @param picture  the bytes of every picture in it
/// @return how many questions
int write_benchmark(const std::filesystem::path& folder, const std::string& task,
                    std::string_view picture);

}  // namespace vila::test
