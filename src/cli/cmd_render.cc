// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/model_files.h"
#include "cli/text_lines.h"
#include "formats/checkpoint.h"
#include "spec/config.h"
#include "spec/prompt.h"
#include "text/chat_template.h"

namespace vila::cli {
namespace {

struct RenderOptions {
  TokenizerOptions tokenizer;
  std::string chat_template;  // "": the model's own
};

// "NAME@f24", "NAME@m24" or "NAME@head" is a generation's form of a template. They differ for one
// name only: llama_3 of May 2024 answers under the header "system".
const text::ChatTemplate& template_of(const std::string& name) {
  const size_t at = name.find('@');
  const std::string generation = at == std::string::npos ? "" : name.substr(at);
  if (generation != "" && generation != "@f24" && generation != "@m24" && generation != "@head") {
    fail(ErrorCode::invalid_argument,
         "--template: expected a name, NAME@f24, NAME@m24 or NAME@head, found '{}'", name);
  }
  std::string row = name.substr(0, at);
  if (row == "llama_3" && generation == "@head") row = "llama_3_eot";
  return text::find_chat_template(row);
}

// The one that --template names, else that of the model; a tokenizer alone has none.
const text::ChatTemplate& chosen_template(const RenderOptions& options,
                                          const text::Tokenizer& tokenizer) {
  if (!options.chat_template.empty()) return template_of(options.chat_template);
  if (!options.tokenizer.file.empty()) return template_of("vicuna_v1");
  const formats::Checkpoint checkpoint =
      formats::open_checkpoint(find_model(options.tokenizer.model, ""));
  const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  return text::find_chat_template(spec::chat_template_name(
      config, tokenizer, text::read_chat_template(checkpoint.tokenizer_folder)));
}

int render(const RenderOptions& options) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  const text::ChatTemplate& chat_template = chosen_template(options, *tokenizer);
  map_json_lines([&](const Json& line, const std::string& source) {
    Conversation conversation =
        parse_messages(line.contains("messages") ? line["messages"] : Json(), source);
    if (line.contains("system")) {
      conversation.system = json_require<std::string>(line, "system", source);
    }
    const text::RenderedPrompt prompt =
        text::render_chat(chat_template, conversation.messages, conversation.system,
                          json_get<bool>(line, "add_generation_prompt", true, source));
    return Json{{"prompt", prompt.text},
                {"stop", prompt.stop},
                {"ids", spec::tokenize_prompt(*tokenizer, prompt.text)}};
  });
  return 0;
}

}  // namespace

Action add_render(CLI::App& app) {
  auto options = std::make_shared<RenderOptions>();
  add_tokenizer_options(app, options->tokenizer);
  app.add_option("--template", options->chat_template,
                 "Conversation template (default: the model's; with --tokenizer vicuna_v1)")
      ->type_name("NAME");
  return [options] { return render(*options); };
}

}  // namespace vila::cli
