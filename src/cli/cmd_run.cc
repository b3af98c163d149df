// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <iterator>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/cpu_info.h"
#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "cli/answer.h"
#include "cli/batch.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/media_loader.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/sampling.h"
#include "formats/checkpoint.h"
#include "spec/config.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  engine::GenerateOptions sampling;
  std::vector<std::string> images;
  std::vector<std::string> videos;
  int64_t num_frames = 0;
  std::optional<std::string> system;
  std::string chat_template;
  std::optional<std::string> prompt;
  std::string prompt_file;
  std::string batch;
  std::string out;
  bool is_raw = false;
  bool has_json = false;
  bool has_timings = false;
};

std::string read_prompt(const RunOptions& options) {
  if (options.prompt.has_value() == !options.prompt_file.empty()) {
    fail(ErrorCode::invalid_argument,
         "run: expected one prompt (PROMPT, --prompt-file or --batch), found {}",
         options.prompt ? "two" : "none");
  }
  if (options.prompt) return *options.prompt;
  if (options.prompt_file != "-") return read_file(options.prompt_file);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

Question read_question(const RunOptions& options, const spec::PromptRule& rule) {
  Question question;
  question.is_raw = options.is_raw;
  question.options = options.sampling;
  const std::string prompt = read_prompt(options);
  const spec::MediaCount media{std::ssize(options.images), std::ssize(options.videos)};
  if (options.is_raw) {
    question.raw = prompt;
    const spec::MediaCount places = spec::count_media(prompt);
    if (places != media) {
      fail(ErrorCode::invalid_argument,
           "prompt: expected one <image> for each picture and one <vila/video> for each video, "
           "found {} <image> and {} pictures, {} <vila/video> and {} videos",
           places.images, media.images, places.videos, media.videos);
    }
  } else {
    question.conversation = {options.system, {{"user", prompt}}};
    place_media(question.conversation, media, rule);
  }
  return question;
}

void load_media(const RunOptions& options, MediaLoader& loader, Question& question) {
  for (const std::string& path : options.images)
    question.images.push_back(loader.image(path));
  for (const std::string& path : options.videos)
    question.videos.push_back(loader.video(path));
}

// Tokens that the request can take at most: a token is at least one byte of text.
int64_t context_bound(const Question& question, int64_t tokens_per_image) {
  int64_t bytes = static_cast<int64_t>(question.raw.size()) + 256;
  for (const text::Message& message : question.conversation.messages) {
    bytes += static_cast<int64_t>(message.content.size());
  }
  int64_t pictures = std::ssize(question.images);
  for (const auto& video : question.videos)
    pictures += std::ssize(video->frames);
  return bytes + pictures * tokens_per_image + question.options.max_tokens;
}

int run_one(const RunOptions& options) {
  const formats::Checkpoint checkpoint = formats::open_checkpoint(find_model(options.model));
  MediaLoader loader(spec::read_config(checkpoint.folder, checkpoint.vision_folder),
                     options.num_frames);
  Question question = read_question(options, loader.prompt_rule());
  const Stopwatch media_time;
  load_media(options, loader, question);
  const double decode_ms = media_time.milliseconds();

  constexpr int64_t kTokensPerImageBound = 1024;
  engine::Engine engine =
      load_engine(checkpoint, options.model, context_bound(question, kTokensPerImageBound));
  const text::ChatTemplate& chat_template = options.chat_template.empty()
                                                ? engine.chat_template()
                                                : text::find_chat_template(options.chat_template);
  const engine::Request request = make_request(question, chat_template);
  const InterruptGuard interrupt;
  engine::Result result = engine.generate(request, [&](std::string_view piece) {
    if (!options.has_json) write_out(piece);
    return !interrupt.is_raised();
  });
  result.timings.media += decode_ms;
  if (!options.has_json) write_out("\n");
  if (interrupt.is_raised()) throw Error(ErrorCode::cancelled, "stopped");
  if (options.has_timings) {
    print_note(fmt::format("load {:.0f} ms, {}", engine.load_ms(), timings_text(result)));
  }
  if (options.has_json) {
    Json json = result_json(result, engine.tokenizer());
    json["timings_ms"]["load"] = engine.load_ms();
    json["work"] = work_json(result.usage);
    json["peak_rss_bytes"] = peak_resident_bytes();
    write_json(json);
  }
  return 0;
}

int run_many(const RunOptions& options) {
  if (options.prompt || !options.prompt_file.empty() || !options.images.empty() ||
      !options.videos.empty()) {
    fail(ErrorCode::invalid_argument,
         "run: expected no PROMPT, --prompt-file, --image or --video beside --batch");
  }
  constexpr int64_t kBatchContext = 4096;
  engine::Engine engine = load_engine(options.model, kBatchContext);
  const BatchOptions batch{.input = options.batch,
                           .output = options.out,
                           .sampling = options.sampling,
                           .system = options.system,
                           .is_raw = options.is_raw,
                           .num_frames = options.num_frames,
                           .chat_template = options.chat_template};
  const InterruptGuard interrupt;
  run_batch(engine, batch, [&] { return interrupt.is_raised(); });
  return 0;
}

int run(RunOptions& options, bool has_temperature) {
  const bool is_for_programs = options.has_json || !options.batch.empty();
  if (is_for_programs && !has_temperature) options.sampling.temperature = 0;
  check_sampling(options.sampling);
  return options.batch.empty() ? run_one(options) : run_many(options);
}

}  // namespace

Action add_run(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  app.add_option("prompt", options->prompt, "The question; <image> stands for each picture in turn")
      ->type_name("PROMPT");
  app.add_option("--image", options->images, "A picture: JPEG, PNG, WebP or PPM (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--video", options->videos,
                 "A video, or a folder of its frames (repeatable); <vila/video> says where it goes")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add_num_frames_option(app, options->num_frames);
  app.add_option("--prompt-file", options->prompt_file, "Read the prompt from a file, - for stdin")
      ->type_name("FILE");
  app.add_flag("--raw", options->is_raw, "Use the prompt as it is, without a template");
  app.add_option("--system", options->system, "Text above the conversation");
  app.add_option("--chat-template", options->chat_template, "Another template than the model's")
      ->type_name("NAME");
  app.add_flag("--json", options->has_json, "One JSON document on stdout; greedy by default");
  app.add_flag("--timings", options->has_timings, "Say on stderr how long each step took");
  app.add_option(
         "--batch", options->batch,
         "Answer each line of a JSONL file ({\"prompt\" or \"messages\", \"images\"?, …}), - "
         "for stdin; greedy by default")
      ->type_name("FILE");
  app.add_option("--out", options->out, "Where --batch writes; goes on where it was cut off")
      ->type_name("FILE");
  add_engine_options(app, options->model);
  add_sampling_options(app, options->sampling);
  CLI::Option* temperature = app.get_option("--temperature");
  return [options, temperature] { return run(*options, temperature->count() > 0); };
}

}  // namespace vila::cli
