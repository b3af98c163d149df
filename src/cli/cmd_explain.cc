// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/media_loader.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/picture_modes.h"
#include "cli/seen_media.h"
#include "engine/media_prompt.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "media/image_processor.h"
#include "media/tiling.h"
#include "spec/config.h"
#include "spec/prompt.h"
#include "spec/splice.h"
#include "text/tokenizer.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct ExplainOptions {
  ModelOptions model;
  std::string mode;
  std::vector<std::string> images;
  std::vector<std::string> videos;
  int64_t num_frames = 0;
  std::string out;
  std::optional<std::string> prompt;
  bool has_json = false;
};

// How media are prepared, and what they become, by a model or by the name of a mode.
struct Preparation {
  std::string mode;
  media::ProcessorConfig processor;
  spec::VilaConfig config{};                           // without a model that of Feb 2024
  std::shared_ptr<const text::Tokenizer> tokenizer{};  // null: no model
  std::string chat_template = "vicuna_v1";

  // Rows behind each picture or frame: NVILA's newline.
  int64_t end_rows() const {
    return tokenizer ? std::ssize(spec::media_end_ids(config, *tokenizer)) : 0;
  }
};

Preparation prepare(const ExplainOptions& options) {
  if (!options.mode.empty()) return {options.mode, picture_mode(options.mode)};
  const fs::path model = resolve_model(options.model.model);
  const formats::Checkpoint checkpoint = formats::open_checkpoint(find_model(options.model));
  spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  if (!config.has_vision()) {
    fail(ErrorCode::invalid_model, "{}: expected a model with a vision tower, found none",
         model.string());
  }
  std::shared_ptr<const text::Tokenizer> tokenizer =
      text::load_tokenizer(checkpoint.tokenizer_folder);
  const std::string chat_template = spec::chat_template_name(
      config, *tokenizer, text::read_chat_template(checkpoint.tokenizer_folder));
  return {config.image_aspect_ratio, config.image_processor, std::move(config),
          std::move(tokenizer), chat_template};
}

// Of a picture cut into tiles all rows, the newlines of NVILA included.
int64_t rows_of(const Json& row, const Preparation& how) {
  const int64_t each = how.config.tokens_per_image();
  if (!row.contains("block_size")) return row["tiles"].get<int64_t>() * (each + how.end_rows());
  const auto block = row["block_size"].get<std::array<int64_t, 2>>();
  return block[0] * block[1] * each + how.end_rows();
}

// What is told of all media, and what --out keeps.
struct Report {
  Json json = {{"images", Json::array()}};
  std::vector<formats::NamedTensor> tensors;
  std::vector<int64_t> tiles;  // of each picture
};

// Squares as PNG files beside `target`, named after it, and as a tensor [n, 3, S, S] in the report.
void save(const fs::path& target, const std::vector<media::Image>& squares,
          const media::ProcessorConfig& processor, Report& report) {
  const fs::path folder = target.parent_path();
  const std::string name = fmt::format("{}-{}", report.tensors.size(), target.stem().string());
  for (size_t i = 0; i < squares.size(); ++i) {
    const std::string number = squares.size() == 1 ? "" : fmt::format("-{}", i);
    write_file(folder / (name + number + ".png"), media::encode_png(squares[i]));
  }
  report.tensors.push_back({name, media::normalise_tiles(squares, processor)});
}

void explain_images(const ExplainOptions& options, const Preparation& how, Report& report) {
  media::ProcessorConfig processor = how.processor;
  // One picture alone is cut into tiles; with a model, several are not (spec 3.4).
  const bool is_alone = options.images.size() == 1 && options.videos.empty();
  if (processor.is_tiled() && how.tokenizer && !is_alone)
    processor.mode = media::ProcessorConfig::Mode::resize;
  for (const std::string& path : options.images) {
    Json row;
    const std::vector<media::Image> tiles = see_picture(media::load_image(path), processor, row);
    row.update({{"file", path}, {"mode", how.mode}});
    if (how.tokenizer) row["tokens"] = rows_of(row, how);
    if (!options.out.empty())
      save(options.out / fs::path(path).filename(), tiles, processor, report);
    report.tiles.push_back(row.contains("block_size") ? 1 : std::ssize(tiles));
    report.json["images"].push_back(std::move(row));
  }
}

// @return the videos as the engine takes them.
std::vector<std::shared_ptr<const engine::Video>> explain_videos(const ExplainOptions& options,
                                                                 const Preparation& how,
                                                                 Report& report) {
  std::vector<std::shared_ptr<const engine::Video>> videos;
  media::ProcessorConfig processor = how.processor;
  if (processor.is_tiled()) processor.mode = media::ProcessorConfig::Mode::resize;
  for (const std::string& path : options.videos) {
    Json row;
    std::vector<media::Image> frames =
        see_video(path, spec::frame_choice(how.config, options.num_frames), processor, row);
    row["file"] = path;
    if (!options.out.empty())
      save(options.out / fs::path(path).filename(), frames, processor, report);
    auto video = std::make_shared<engine::Video>();
    for (media::Image& frame : frames)
      video->frames.push_back(std::make_shared<const media::Image>(std::move(frame)));
    videos.push_back(std::move(video));
    report.json["videos"].push_back(std::move(row));
  }
  return videos;
}

// The prompt as the model reads it, "<image>" repeated for tiles and frames.
void explain_prompt(const std::string& prompt,
                    std::vector<std::shared_ptr<const engine::Video>> videos,
                    const Preparation& how, Report& report) {
  Question question;
  question.conversation.messages = {{"user", prompt}};
  question.images.resize(report.tiles.size());
  question.videos = std::move(videos);
  place_media(question.conversation, {std::ssize(question.images), std::ssize(question.videos)},
              spec::prompt_rule(how.config));
  const engine::MediaPrompt laid = engine::lay_out_media(
      make_request(question, text::find_chat_template(how.chat_template)), how.config);
  const std::string text =
      laid.has_frames ? laid.text : spec::repeat_tiles(laid.text, report.tiles);
  report.json["prompt"] = text;
  if (!how.tokenizer) return;
  const auto ids = spec::tokenize_prompt(*how.tokenizer, text);
  std::vector<int64_t> rows = engine::least_media_rows(ids, laid, how.config, how.end_rows());
  // A picture of dynamic S2 is one token that stands for more rows.
  const bool is_alone = rows.size() == 1 && report.tiles.size() == 1;
  if (is_alone) rows.front() = report.json["images"][0]["tokens"].get<int64_t>();
  report.json["ids"] = ids;
  report.json["prompt_tokens"] = spec::splice(ids, rows, 0).length;
}

std::string picture_line(const Json& image) {
  return fmt::format(
      "{}: {} x {} -> {} of {} x {} ({}), {}sha256 {}\n", image["file"].get<std::string>(),
      image["width"].get<int64_t>(), image["height"].get<int64_t>(), image["tiles"].get<int64_t>(),
      image["image_size"].get<int64_t>(), image["image_size"].get<int64_t>(),
      image["mode"].get<std::string>(),
      image.contains("tokens") ? fmt::format("{} tokens, ", image["tokens"].get<int64_t>()) : "",
      image["sha256"].get<std::string>());
}

void print_report(const Json& report) {
  for (const Json& image : report["images"])
    write_out(picture_line(image));
  for (const Json& video : report.value("videos", Json::array())) {
    write_out(fmt::format("{}: {} frames, {:.3f} a second, shown: {}\n",
                          video["file"].get<std::string>(), video["frames"].get<int64_t>(),
                          video["fps"].get<double>(), video["shown"].dump()));
  }
  if (!report.contains("prompt")) return;
  write_out("prompt: " + report["prompt"].dump() + "\n");
  if (report.contains("prompt_tokens")) {
    write_out(
        fmt::format("prompt tokens, media included: {}\n", report["prompt_tokens"].get<int64_t>()));
  }
}

int explain(const ExplainOptions& options) {
  if (options.images.empty() && options.videos.empty()) {
    fail(ErrorCode::invalid_argument, "explain: expected --image or --video, found neither");
  }
  const Preparation how = prepare(options);
  if (!options.out.empty()) fs::create_directories(options.out);
  Report report;
  explain_images(options, how, report);
  auto videos = explain_videos(options, how, report);
  if (!options.out.empty()) {
    formats::write_safetensors(fs::path(options.out) / "pixels.safetensors", report.tensors);
  }
  if (options.prompt) explain_prompt(*options.prompt, std::move(videos), how, report);
  if (options.has_json) {
    write_json(report.json);
  } else {
    print_report(report.json);
  }
  return 0;
}

}  // namespace

Action add_explain(CLI::App& app) {
  auto options = std::make_shared<ExplainOptions>();
  app.add_option("prompt", options->prompt, "A question, to see the prompt as the model reads it")
      ->type_name("PROMPT");
  add_model_option(app, options->model);
  app.add_option("--mode", options->mode,
                 "Preparation by name, without a model: " + picture_mode_names())
      ->type_name("NAME");
  app.add_option("--image", options->images, "A picture (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_option("--video", options->videos, "A video, or a folder of its frames (repeatable)")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add_num_frames_option(app, options->num_frames);
  app.add_option("--out", options->out,
                 "Folder for what the tower sees: PNG pictures and pixels.safetensors")
      ->type_name("DIR");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return explain(*options); };
}

}  // namespace vila::cli
