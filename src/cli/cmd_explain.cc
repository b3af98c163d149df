// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/picture_modes.h"
#include "cli/sha256.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "media/image_processor.h"
#include "spec/config.h"
#include "spec/prompt.h"
#include "text/tokenizer.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

struct ExplainOptions {
  ModelOptions model;
  std::string mode;
  std::vector<std::string> images;
  std::string out;
  std::optional<std::string> prompt;
  bool has_json = false;
};

// How pictures are prepared, and what they become, by a model or by the name of a mode.
struct Preparation {
  std::string mode;
  media::ProcessorConfig processor;
  int64_t tokens_per_image = 0;                        // 0: not known without a model
  std::shared_ptr<const text::Tokenizer> tokenizer{};  // null: no model
  std::string chat_template = "vicuna_v1";
};

Preparation prepare(const ExplainOptions& options) {
  if (!options.mode.empty()) return {options.mode, picture_mode(options.mode), 0, {}, "vicuna_v1"};
  const fs::path model = resolve_model(options.model.model);
  const formats::Checkpoint checkpoint =
      formats::open_checkpoint(find_model(options.model.model, options.model.base));
  const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  if (!config.has_vision()) {
    fail(ErrorCode::invalid_model, "{}: expected a model with a vision tower, found none",
         model.string());
  }
  std::shared_ptr<const text::Tokenizer> tokenizer =
      text::load_tokenizer(checkpoint.tokenizer_folder);
  const std::string chat_template = spec::chat_template_name(
      config, *tokenizer, text::read_chat_template(checkpoint.tokenizer_folder));
  return {config.image_aspect_ratio, config.image_processor, config.tokens_per_image(),
          std::move(tokenizer), chat_template};
}

Json explain_image(const std::string& path, const Preparation& how, const media::Image& image,
                   const media::Image& square) {
  Json row = {{"file", path},
              {"width", image.width},
              {"height", image.height},
              {"mode", how.mode},
              {"image_size", how.processor.image_size},
              {"grid", {1, 1}},
              {"tiles", 1},
              {"boxes", {{0, 0, square.width, square.height}}},
              {"sha256", sha256_hex(square.pixels)}};
  if (how.tokens_per_image > 0) row["tokens"] = how.tokens_per_image;
  return row;
}

void save(const fs::path& folder, size_t number, const std::string& path,
          const media::Image& square, std::vector<formats::NamedTensor>& tensors,
          const media::ProcessorConfig& processor) {
  const std::string name = fmt::format("{}-{}", number, fs::path(path).stem().string());
  write_file(folder / (name + ".png"), media::encode_png(square));
  const Tensor pixels = media::normalise(square, processor);
  tensors.push_back({name, pixels.reshape({1, 3, square.height, square.width})});
}

Json explain_prompt(const std::string& prompt, int64_t images, const Preparation& how) {
  Question question;
  question.conversation.messages = {{"user", prompt}};
  place_images(question.conversation, images);
  const std::string rendered =
      make_request(question, text::find_chat_template(how.chat_template)).prompt;
  Json json = {{"prompt", rendered}};
  if (how.tokenizer) {
    const auto ids = spec::tokenize_prompt(*how.tokenizer, rendered);
    json["ids"] = ids;
    json["prompt_tokens"] = static_cast<int64_t>(ids.size()) + images * (how.tokens_per_image - 1);
  }
  return json;
}

void print_report(const Json& report) {
  for (const Json& image : report["images"]) {
    write_out(fmt::format(
        "{}: {} x {} -> {} x {} ({}), {}sha256 {}\n", image["file"].get<std::string>(),
        image["width"].get<int64_t>(), image["height"].get<int64_t>(),
        image["image_size"].get<int64_t>(), image["image_size"].get<int64_t>(),
        image["mode"].get<std::string>(),
        image.contains("tokens") ? fmt::format("{} tokens, ", image["tokens"].get<int64_t>()) : "",
        image["sha256"].get<std::string>()));
  }
  if (!report.contains("prompt")) return;
  write_out("prompt: " + report["prompt"].dump() + "\n");
  if (report.contains("prompt_tokens")) {
    write_out(fmt::format("prompt tokens, pictures included: {}\n",
                          report["prompt_tokens"].get<int64_t>()));
  }
}

int explain(const ExplainOptions& options) {
  const Preparation how = prepare(options);
  if (!options.out.empty()) fs::create_directories(options.out);
  Json report = {{"images", Json::array()}};
  std::vector<formats::NamedTensor> tensors;
  for (const std::string& path : options.images) {
    const media::Image image = media::load_image(path);
    const media::Image square = media::process_geometry(image, how.processor);
    report["images"].push_back(explain_image(path, how, image, square));
    if (!options.out.empty()) {
      save(options.out, tensors.size(), path, square, tensors, how.processor);
    }
  }
  if (!options.out.empty()) {
    formats::write_safetensors(fs::path(options.out) / "pixels.safetensors", tensors);
  }
  if (options.prompt) {
    report.update(
        explain_prompt(*options.prompt, static_cast<int64_t>(options.images.size()), how));
  }
  if (options.has_json) {
    write_json(report);
  } else {
    print_report(report);
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
      ->allow_extra_args(false)
      ->required();
  app.add_option("--out", options->out,
                 "Folder for what the tower sees: PNG pictures and pixels.safetensors")
      ->type_name("DIR");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return explain(*options); };
}

}  // namespace vila::cli
