// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vila::data::nano {

/// One question of easy-vqa (PyPI package easy-vqa, MIT).
struct EasyQuestion {
  std::string question;  ///< "what color is the shape?"
  std::string answer;    ///< "blue"
  int64_t image = 0;     ///< number of its picture
};

/// The official questions of a split. @param folder  the package's folder; split: "train" | "test".
/// @throws Error{not_found} naming the PyPI package.
std::vector<EasyQuestion> read_easy_vqa(const std::filesystem::path& folder,
                                        const std::string& split);

/// Where build_easy_vqa() puts a picture, below the build's folder.
std::string easy_vqa_image(const std::string& split, int64_t image);

}  // namespace vila::data::nano
