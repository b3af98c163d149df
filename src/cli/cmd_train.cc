// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_files.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

// The trainer is a program of its own, so that this one never links libtorch.
std::vector<fs::path> trainer_places(const fs::path& executable) {
  const fs::path bin = executable.parent_path();
  const fs::path builds = (bin / "../..").lexically_normal();
  return {bin / "vila-train", (bin / "../libexec/vila-train").lexically_normal(),
          builds / "train/bin/vila-train", builds / "ci/bin/vila-train"};
}

fs::path find_trainer() {
  std::string tried;
  for (const fs::path& place : trainer_places(executable_path())) {
    if (access(place.c_str(), X_OK) == 0) return place;
    tried += "\n  " + place.string();
  }
  fail(ErrorCode::not_found,
       "train: expected the program vila-train, found none; tried{}\n"
       "build it: apt-get install libtorch-dev, then\n"
       "  cmake --preset train && cmake --build --preset train --target vila-train",
       tried);
}

int train(const std::vector<std::string>& arguments) {
  const std::string program = find_trainer().string();
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  fail(ErrorCode::failed, "{}: expected a program that runs, found: {}", program,
       std::strerror(errno));
}

}  // namespace

Action add_train(CLI::App& app) {
  app.prefix_command();
  app.description(
      "Train from a recipe: vila train RECIPE.yaml [--set path=value]... [--resume]\n"
      "Starts the program vila-train with the same arguments.");
  return [&app] { return train(app.remaining()); };
}

}  // namespace vila::cli
