// SPDX-License-Identifier: Apache-2.0
#include "train/training_state.h"

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";
constexpr const char* kUnfinished = "unfinished";
constexpr size_t kKept = 2;

/// Finished states, oldest first.
std::vector<fs::path> states(const fs::path& folder) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with(kPrefix)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

Progress read_progress(const fs::path& state) {
  const fs::path file = state / "progress.json";
  const Json json = parse_json(read_file(file), file.string());
  const auto number = [&](const char* key) {
    return json_require<int64_t>(json, key, file.string());
  };
  return {number("step"), number("steps"), {number("position"), number("piece")}};
}

}  // namespace

void save_state(const fs::path& folder, const Progress& progress, const ParameterSet& parameters,
                const Optimizer& optimizer) {
  const fs::path unfinished = folder / kUnfinished;
  fs::remove_all(unfinished);
  fs::create_directories(unfinished);
  try {
    std::vector<formats::NamedTensor> tensors = optimizer.state();
    for (int64_t i = 0; i < parameters.size(); ++i) {
      tensors.push_back({parameters.row(i).name, parameters.copy(i, DType::f32)});
    }
    formats::write_safetensors(unfinished / "state.safetensors", tensors,
                               {{"optimizer_steps", std::to_string(optimizer.steps())}});
    const Json json = {{"step", progress.step},
                       {"steps", progress.steps},
                       {"position", progress.cursor.position},
                       {"piece", progress.cursor.piece}};
    write_file(unfinished / "progress.json", json.dump(2) + "\n");
  } catch (const Error&) {
    fs::remove_all(unfinished);
    throw;
  }
  const fs::path finished = folder / fmt::format("{}{:09}", kPrefix, progress.step);
  fs::remove_all(finished);
  fs::rename(unfinished, finished);
  std::vector<fs::path> all = states(folder);
  for (size_t i = 0; i + kKept < all.size(); ++i)
    fs::remove_all(all[i]);
}

std::optional<Progress> peek_state(const fs::path& folder) {
  const std::vector<fs::path> all = states(folder);
  if (all.empty()) return std::nullopt;
  return read_progress(all.back());
}

std::optional<Progress> restore_state(const fs::path& folder, ParameterSet& parameters,
                                      Optimizer& optimizer) {
  const std::vector<fs::path> all = states(folder);
  if (all.empty()) return std::nullopt;
  const fs::path file = all.back() / "state.safetensors";
  const formats::SafetensorsFile state = formats::read_safetensors(file);
  for (int64_t i = 0; i < parameters.size(); ++i) {
    const auto found = state.tensors.find(parameters.row(i).name);
    if (found == state.tensors.end()) {
      fail(ErrorCode::invalid_model, "{}: tensor {} is missing", file.string(),
           parameters.row(i).name);
    }
    parameters.assign(i, found->second, file.string());
  }
  const auto steps = state.metadata.find("optimizer_steps");
  if (steps == state.metadata.end()) {
    fail(ErrorCode::invalid_model, "{}: metadata optimizer_steps is missing", file.string());
  }
  optimizer.restore(state, std::stoll(steps->second), file.string());
  return read_progress(all.back());
}

}  // namespace vila::train
