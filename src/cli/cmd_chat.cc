// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "base/error.h"
#include "cli/answer.h"
#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/sampling.h"

namespace vila::cli {
namespace {

struct ChatOptions {
  ModelOptions model;
  engine::GenerateOptions sampling;
  std::optional<std::string> system;
  bool has_timings = false;
  int64_t num_frames = 0;
};

constexpr const char* kHelp =
    "/image FILE      show a picture with the next message; /video FILE a video\n"
    "/clear           forget the conversation\n"
    "/save FILE       write the conversation; /load FILE reads it\n"
    "/set NAME VALUE  set temperature, top_k, top_p, min_p, repeat_penalty, seed, max_tokens, "
    "system\n"
    "/show            options, pictures and turns so far\n"
    "/bye             end (also Ctrl-D); Ctrl-C stops the answer, twice ends\n";

// A command line "/name rest".
struct Slash {
  std::string name;
  std::string rest;
};

Slash parse_slash(const std::string& line) {
  const size_t space = line.find(' ');
  if (space == std::string::npos) return {line, ""};
  return {line.substr(0, space), line.substr(line.find_first_not_of(' ', space))};
}

class Chat {
 public:
  Chat(engine::Engine& engine, const ChatOptions& options)
      : engine_(engine),
        session_(std::make_shared<MediaLoader>(engine.config(), options.num_frames),
                 options.sampling, options.system),
        has_timings_(options.has_timings) {}

  int run() {
    const bool is_terminal = isatty(STDIN_FILENO) == 1;
    if (is_terminal) print_note("Ask, or /help. Pictures: /image FILE, videos: /video FILE");
    std::string line;
    while (true) {
      if (is_terminal) write_out(">>> ");
      if (!std::getline(std::cin, line)) {
        if (!was_first_interrupt()) break;
        continue;
      }
      interrupt_.clear();
      const size_t end = line.find_last_not_of(" \t\r");
      line.resize(end == std::string::npos ? 0 : end + 1);
      if (line == "/bye") break;
      if (!line.empty()) guarded_step(line);
    }
    if (is_terminal) write_out("\n");
    return 0;
  }

 private:
  // Ctrl-C at the prompt makes the read fail once; a second one ends the program.
  bool was_first_interrupt() {
    if (!interrupt_.is_raised()) return false;
    print_note("\n(Ctrl-C again or /bye ends)");
    std::cin.clear();
    std::clearerr(stdin);
    return true;
  }

  void guarded_step(const std::string& line) {
    try {
      step(line);
    } catch (const Error& error) {
      print_error(error.what());
    }
  }

  void step(const std::string& line) {
    if (!line.starts_with('/')) {
      answer(line);
      return;
    }
    const auto [name, rest] = parse_slash(line);
    if (name == "/image")
      session_.add_image(rest);
    else if (name == "/video")
      session_.add_video(rest);
    else if (name == "/clear")
      session_.clear();
    else if (name == "/save")
      session_.save(rest);
    else if (name == "/load")
      session_.load(rest);
    else if (name == "/show")
      write_out(session_.show());
    else if (name == "/help")
      write_out(kHelp);
    else if (name == "/set")
      set(rest);
    else
      fail(ErrorCode::invalid_argument, "{}: not a command; /help lists them", name);
  }

  void set(const std::string& rest) {
    const Slash pair = parse_slash(rest);
    session_.set(pair.name, pair.rest);
  }

  void answer(const std::string& text) {
    const Question question = session_.ask(text);
    try {
      const engine::Request request = make_request(question, engine_.chat_template());
      const engine::Result result = engine_.generate(request, [&](std::string_view piece) {
        write_out(piece);
        return !interrupt_.is_raised();
      });
      write_out("\n");
      interrupt_.clear();
      session_.answer(result.text);
      if (has_timings_) print_note(timings_text(result));
    } catch (const Error&) {
      session_.withdraw();
      throw;
    }
  }

  engine::Engine& engine_;
  ChatSession session_;
  bool has_timings_;
  InterruptGuard interrupt_;
};

}  // namespace

Action add_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  app.add_option("--system", options->system, "Text above the conversation");
  app.add_flag("--timings", options->has_timings, "Say on stderr how long each step took");
  add_num_frames_option(app, options->num_frames);
  add_engine_options(app, options->model);
  add_sampling_options(app, options->sampling);
  return [options] {
    check_sampling(options->sampling);
    constexpr int64_t kChatContext = 4096;
    engine::Engine engine = load_engine(options->model, kChatContext, true);
    return Chat(engine, *options).run();
  };
}

}  // namespace vila::cli
