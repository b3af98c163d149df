// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>

#include "base/core_count.h"
#include "base/error.h"
#include "cli/data_commands.h"
#include "cli/output.h"
#include "data/nano/build.h"

namespace vila::cli {
namespace {

std::string set_names() {
  std::string names;
  for (const std::string& name : data::nano_set_names()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

}  // namespace

Action add_data_build(CLI::App& app) {
  struct BuildCommand {
    std::string name;
    data::NanoOptions options;
  };

  auto command = std::make_shared<BuildCommand>();
  data::NanoOptions* options = &command->options;
  options->out = "data/nano";
  options->emoji = "data/raw/emoji";
  options->easy_vqa = "data/raw/easy_vqa";
  options->threads = available_cores();
  app.add_option("name", command->name, "Which collection: nano")
      ->type_name("NAME")
      ->check(CLI::IsMember({"nano"}))
      ->required();
  app.add_option("--out", options->out, "Folder to fill")->type_name("DIR")->capture_default_str();
  app.add_option("--emoji", options->emoji,
                 "Iconify and Unicode emoji packages of npm, as .tgz or unpacked")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--easy-vqa", options->easy_vqa, "The unpacked easy_vqa package of PyPI")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--debian-root", options->debian_root, "Prefix of the Debian packages")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--image-size", options->image_size, "Side of every picture in pixels")
      ->check(CLI::Range(16, 1024))
      ->capture_default_str();
  app.add_option("--seed", options->seed, "Same seed, same data")->capture_default_str();
  app.add_option("-t,--threads", options->threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--only", options->only, "Only these sets (repeatable): " + set_names())
      ->type_name("SET")
      ->allow_extra_args(false);
  return [command] {
    data::build_nano(command->options, stderr_log());
    return 0;
  };
}

}  // namespace vila::cli
