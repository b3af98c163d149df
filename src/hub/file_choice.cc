// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <set>

#include <fnmatch.h>

#include "base/error.h"
#include "base/strings.h"
#include "hub/listing.h"

namespace vila::hub {
namespace {

/// Kept by the end of their names.
constexpr std::array<std::string_view, 10> kWantedEnds = {
    ".json", ".model", ".txt", ".jinja", ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".vila"};

/// Kept by their beginnings.
constexpr std::array<std::string_view, 3> kWantedStarts = {"LICENSE", "LICENCE", "NOTICE"};

/// Names that training leaves behind.
constexpr std::array<std::string_view, 5> kLeftOverStarts = {"optimizer", "scheduler", "rng_state",
                                                             "training_args", "trainer_state"};

/// Folders of other programs' formats and of training runs.
constexpr std::array<std::string_view, 7> kUnwantedFolders = {
    "original", "onnx", "openvino", "coreml", "runs", "global_step", "checkpoint-"};

struct Place {
  std::string_view folder;  // "" or with '/' at its end
  std::string_view name;
};

Place place_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return {"", path};
  return {path.substr(0, slash + 1), path.substr(slash + 1)};
}

bool is_in_unwanted_folder(std::string_view folder) {
  return std::ranges::any_of(split(folder, "/"), [](std::string_view step) {
    return std::ranges::any_of(kUnwantedFolders, [&](std::string_view unwanted) {
      const bool is_prefix = unwanted.ends_with('-') || unwanted == "global_step";
      return is_prefix ? step.starts_with(unwanted) : step == unwanted;
    });
  });
}

bool is_wanted(const RemoteFile& file) {
  const auto place = place_of(file.path);
  const std::string_view name = place.name;
  const auto starts = [&](std::string_view start) { return name.starts_with(start); };
  const auto ends = [&](std::string_view end) { return name.ends_with(end); };
  if (name.starts_with(".") || is_in_unwanted_folder(place.folder)) return false;
  if (std::ranges::any_of(kLeftOverStarts, starts)) return false;
  return std::ranges::any_of(kWantedStarts, starts) || std::ranges::any_of(kWantedEnds, ends);
}

/// The stem that safetensors have where the same weights are also there as .bin.
std::string_view safetensors_stem(std::string_view name) {
  if (name.starts_with("pytorch_model") || name.starts_with("consolidated")) return "model";
  return name == "adapter_model.bin" ? "adapter_model" : "";
}

/// Whether a file holds weights that a safetensors file of its folder holds as well.
bool is_second_copy(const RemoteFile& file, const std::set<std::string>& safetensors_stems) {
  const auto [folder, name] = place_of(file.path);
  const bool is_torch =
      name.ends_with(".bin") || name.ends_with(".pth") || name == "pytorch_model.bin.index.json";
  const std::string_view stem = safetensors_stem(name);
  return is_torch && !stem.empty() &&
         safetensors_stems.contains(std::string(folder) + std::string(stem));
}

/// "llm/model" for llm/model-00001-of-00002.safetensors.
std::set<std::string> stems_of_safetensors(const std::vector<RemoteFile>& files) {
  std::set<std::string> stems;
  for (const RemoteFile& file : files) {
    const auto [folder, name] = place_of(file.path);
    if (!name.ends_with(".safetensors")) continue;
    stems.insert(std::string(folder) + std::string(name.substr(0, name.find_first_of("-."))));
  }
  return stems;
}

bool is_matched(const RemoteFile& file, const std::vector<std::string>& patterns) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), file.path.c_str(), 0) == 0;
  });
}

bool is_main_gguf(const RemoteFile& file) {
  const std::string_view name = place_of(file.path).name;
  return name.ends_with(".gguf") && name.find("mmproj") == name.npos;
}

/// A repository of GGUF files holds one model many times over, in sizes from which to choose.
void check_one_gguf(const std::vector<RemoteFile>& files, const std::string& repository) {
  std::string names;
  size_t count = 0;
  for (const RemoteFile& file : files) {
    if (file.path.ends_with(".safetensors") || file.path.ends_with(".bin")) return;
    if (!is_main_gguf(file) || file.path.find("-of-0") != file.path.npos) continue;
    names += "\n  " + file.path;
    ++count;
  }
  if (count <= 1) return;
  fail(ErrorCode::invalid_argument,
       "{}: expected one model, found {} GGUF files:{}\nchoose with --include, e.g. --include '{}'",
       repository, count, names, std::ranges::find_if(files, is_main_gguf)->path);
}

}  // namespace

std::vector<RemoteFile> choose_files(std::vector<RemoteFile> files,
                                     const std::vector<std::string>& patterns,
                                     const std::string& repository) {
  if (!patterns.empty()) {
    std::erase_if(files, [&](const RemoteFile& file) { return !is_matched(file, patterns); });
  } else {
    const std::set<std::string> stems = stems_of_safetensors(files);
    std::erase_if(files, [&](const RemoteFile& file) {
      return !is_wanted(file) || is_second_copy(file, stems);
    });
    check_one_gguf(files, repository);
  }
  if (!files.empty()) return files;
  fail(ErrorCode::invalid_argument, "{}: expected files {}, found none in the repository",
       repository, patterns.empty() ? "of a model" : "that match --include");
}

}  // namespace vila::hub
