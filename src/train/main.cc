// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <malloc.h>
#include <unistd.h>

#include "base/error.h"
#include "train/recipe.h"
#include "train/trainer.h"

namespace {

volatile std::sig_atomic_t is_stopping = 0;

extern "C" void request_stop(int) {
  is_stopping = 1;
}

/// Debian's OpenBLAS picks slow kernels on CPUs newer than itself; the choice is read when the
/// library is loaded, so it must stand in the environment before this program starts.
void choose_blas_kernels(char** arguments) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr || !__builtin_cpu_supports("avx512f")) return;
  setenv("OPENBLAS_CORETYPE", "SkylakeX", 1);
  execv("/proc/self/exe", arguments);
#endif
}

/// Keeps freed memory: each step asks for the same large blocks again, and fresh pages cost more
/// than the arithmetic of some layers.
void keep_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

int train(const std::string& recipe, const std::vector<std::string>& overrides,
          const vila::train::RunOptions& options) {
  for (const auto& stage : vila::train::read_recipes(recipe, overrides)) {
    vila::train::run_stage(stage, options);
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  choose_blas_kernels(arguments);
  keep_memory();
  CLI::App app("Trains a VILA, stage by stage, as a recipe says", "vila-train");
  std::string recipe;
  std::vector<std::string> overrides;
  bool is_resumed = false;
  bool is_overwritten = false;
  bool is_quiet = false;
  vila::train::RunOptions options;
  app.add_option("recipe", recipe, "YAML file: one stage, or a list of stages")->required();
  app.add_option("--set", overrides, "key.key=value replaces a key of the recipe")
      ->allow_extra_args(false);
  auto* resume = app.add_flag("--resume", is_resumed, "go on where a run was left");
  app.add_flag("--overwrite", is_overwritten, "forget what a run left")->excludes(resume);
  app.add_option("--threads", options.threads, "cores to use (default: all)");
  app.add_flag("--quiet", is_quiet, "say nothing on stderr but errors");
  CLI11_PARSE(app, count, arguments);
  if (is_resumed) options.existing = vila::train::Existing::resume;
  if (is_overwritten) options.existing = vila::train::Existing::overwrite;
  if (!is_quiet) {
    options.log = [](vila::LogLevel, std::string_view text) { std::cerr << text << std::endl; };
  }
  options.is_cancelled = [] { return is_stopping != 0; };
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  try {
    return train(recipe, overrides, options);
  } catch (const vila::Error& error) {
    std::cerr << "vila-train: " << error.what() << std::endl;
    return vila::exit_code(error.code());
  } catch (const std::exception& error) {
    std::cerr << "vila-train: " << error.what() << std::endl;
    return 1;
  }
}
