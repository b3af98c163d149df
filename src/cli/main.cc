// SPDX-License-Identifier: Apache-2.0
#include <exception>
#include <new>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/version.h"
#include "vila/error.h"

namespace vila::cli {
namespace {

int parse_and_run(int argc, char** argv) {
  CLI::App app("VILA: a visual language model that sees several pictures and answers.", "vila");
  app.set_version_flag("--version", version_text);
  app.footer("Example:\n  vila run --image cat.jpg \"What is this?\"\n  vila COMMAND --help");
  const Action action = add_commands(app, commands());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_code(ErrorCode::invalid_argument);
  }
  return action();
}

int guarded_main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::cancelled) print_error(error.what());
    return exit_code(error.code());
  } catch (const std::bad_alloc&) {
    print_error("not enough memory");
    return exit_code(ErrorCode::insufficient_memory);
  } catch (const std::exception& error) {
    print_error(error.what());
    return exit_code(ErrorCode::failed);
  }
}

}  // namespace
}  // namespace vila::cli

int main(int argc, char** argv) {
  return vila::cli::guarded_main(argc, argv);
}
