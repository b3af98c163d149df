// SPDX-License-Identifier: Apache-2.0
#include "train/recipe.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "data/dataset.h"
#include "data/yaml_reader.h"

namespace vila::train {
namespace {

using data::YamlReader;

constexpr double kHuge = 1e9;

template <typename T>
struct Choice {
  const char* name;
  T value;
};

constexpr std::array kStages = {
    Choice<Stage>{"tower", Stage::tower}, Choice<Stage>{"text", Stage::text},
    Choice<Stage>{"align", Stage::align}, Choice<Stage>{"pretrain", Stage::pretrain},
    Choice<Stage>{"sft", Stage::sft}};
constexpr std::array kPrecisions = {Choice<Precision>{"f32", Precision::f32},
                                    Choice<Precision>{"bf16", Precision::bf16}};
constexpr std::array kSchedules = {Choice<Schedule>{"cosine", Schedule::cosine},
                                   Choice<Schedule>{"linear", Schedule::linear},
                                   Choice<Schedule>{"constant", Schedule::constant}};
constexpr std::array kParts = {"llm", "mm_projector", "vision_tower"};

template <typename T, size_t N>
T choose(YamlReader& reader, const std::string& key, const std::array<Choice<T>, N>& choices,
         T fallback) {
  if (!reader.has(key)) return fallback;
  const std::string found = reader.text(key, "");
  std::string list;
  for (const auto& choice : choices) {
    if (found == choice.name) return choice.value;
    list += (list.empty() ? "" : ", ") + std::string(choice.name);
  }
  reader.refuse(key, "expected one of " + list + "; found '" + found + "'");
}

void check_part(const YamlReader& reader, const std::string& key, const std::string& part) {
  if (std::ranges::find(kParts, part) == kParts.end()) {
    reader.refuse(key, "expected llm, mm_projector or vision_tower; found '" + part + "'");
  }
}

std::vector<DataSource> read_sources(YamlReader& reader, const std::string& key) {
  std::vector<DataSource> sources;
  for (YamlReader& row : reader.members(key)) {
    DataSource source;
    source.path = row.text("path", "");
    if (source.path.empty()) row.refuse("path", "expected the data set's file or folder");
    source.kind = with_context(key, [&] { return data::parse_kind(row.text("kind", "")); });
    source.name = row.text("name", source.path.stem().string());
    source.repeat = row.number("repeat", 1.0, 1e-6, kHuge);
    source.image_root = row.text("image_root", "");
    row.finish();
    sources.push_back(std::move(source));
  }
  return sources;
}

InitRecipe read_init(YamlReader reader) {
  InitRecipe init;
  init.llm = reader.text("llm", "");
  init.vision_tower = reader.text("vision_tower", "");
  init.mm_projector = reader.text("mm_projector", "");
  reader.finish();
  return init;
}

spec::VisionConfig read_vision(YamlReader reader) {
  spec::VisionConfig vision;
  vision.image_size = reader.integer("image_size", 64, 1);
  vision.patch_size = reader.integer("patch_size", 16, 1);
  vision.hidden_size = reader.integer("hidden_size", 256, 1);
  vision.intermediate_size = reader.integer("intermediate_size", 1024, 1);
  vision.num_hidden_layers = reader.integer("layers", 7, 1);
  vision.num_attention_heads = reader.integer("heads", 4, 1);
  reader.finish();
  return vision;
}

spec::DecoderConfig read_decoder(YamlReader reader) {
  spec::DecoderConfig llm;
  llm.hidden_size = reader.integer("hidden_size", 320, 1);
  llm.intermediate_size = reader.integer("intermediate_size", 864, 1);
  llm.num_hidden_layers = reader.integer("layers", 6, 1);
  llm.num_attention_heads = reader.integer("heads", 5, 1);
  llm.num_key_value_heads = reader.integer("kv_heads", llm.num_attention_heads, 1);
  llm.head_dim = llm.hidden_size / llm.num_attention_heads;
  llm.max_position_embeddings = reader.integer("max_position", 2048, 1);
  llm.rope_theta = reader.number("rope_theta", 1e4, 1.0, 1e12);
  llm.tie_word_embeddings = reader.flag("tie_word_embeddings", false);
  llm.vocab_size = 0;  // the tokenizer's
  reader.finish();
  return llm;
}

spec::VilaConfig read_model(YamlReader reader) {
  spec::VilaConfig model;
  model.vision = read_vision(reader.member("vision"));
  model.llm = read_decoder(reader.member("llm"));
  model.mm_projector_type = reader.text("mm_projector_type", "mlp2x_gelu");
  model.mm_vision_select_layer = reader.integer("mm_vision_select_layer", -2, -100);
  model.mm_vision_select_feature = reader.text("mm_vision_select_feature", "patch");
  model.mm_vision_tower = "vision_tower";
  model.image_aspect_ratio = reader.text("image_aspect_ratio", "pad");
  model.mm_hidden_size = model.vision->hidden_size;
  model.model_max_length = model.llm.max_position_embeddings;
  model.image_processor.image_size = model.vision->image_size;
  model.image_processor.mode = media::parse_aspect_ratio(model.image_aspect_ratio);
  reader.finish();
  return model;
}

LoopRecipe read_loop(YamlReader reader) {
  LoopRecipe loop;
  loop.steps = reader.integer("steps", 0, 0);
  loop.epochs = reader.number("epochs", 0.0, 0.0, kHuge);
  if ((loop.steps == 0) == (loop.epochs == 0.0)) {
    reader.refuse("steps",
                  "expected one of `steps` and `epochs` above zero, the other absent or 0 (on the "
                  "command line: --set train.epochs=0)");
  }
  loop.tokens_per_batch = reader.integer("tokens_per_batch", loop.tokens_per_batch, 1);
  loop.batch_size = reader.integer("batch_size", loop.batch_size, 2);
  loop.max_length = reader.integer("max_length", loop.max_length, 2);
  if (loop.max_length > loop.tokens_per_batch) {
    reader.refuse("max_length", "expected at most tokens_per_batch");
  }
  loop.gradient_accumulation = reader.integer("gradient_accumulation", 1, 1);
  loop.precision = choose(reader, "precision", kPrecisions, Precision::f32);
  loop.seed = static_cast<uint64_t>(reader.integer("seed", 1, 0));
  loop.max_grad_norm = reader.number("max_grad_norm", loop.max_grad_norm, 0.0, kHuge);
  loop.save_every = reader.integer("save_every", loop.save_every, 1);
  loop.validate_every = reader.integer("validate_every", loop.validate_every, 0);
  loop.validation_samples = reader.integer("validation_samples", loop.validation_samples, 1);
  loop.log_every = reader.integer("log_every", loop.log_every, 1);
  loop.device = reader.text("device", loop.device);
  if (loop.device != "cpu" && loop.device != "cuda")
    reader.refuse("device", "expected cpu or cuda");
  reader.finish();
  return loop;
}

OptimizerRecipe read_optimizer(YamlReader reader) {
  OptimizerRecipe optimizer;
  optimizer.lr = reader.number("lr", optimizer.lr, 0.0, 10.0);
  for (const char* part : kParts) {
    const std::string key = std::string(part) + "_lr";
    if (reader.has(key)) optimizer.part_lr[part] = reader.number(key, 0.0, 0.0, 10.0);
  }
  const std::vector<double> betas = reader.numbers("betas");
  if (!betas.empty()) {
    const auto is_beta = [](double beta) { return beta >= 0.0 && beta < 1.0; };
    if (betas.size() != 2 || !std::ranges::all_of(betas, is_beta)) {
      reader.refuse("betas", "expected two numbers in [0, 1)");
    }
    optimizer.beta1 = betas[0];
    optimizer.beta2 = betas[1];
  }
  optimizer.eps = reader.number("eps", optimizer.eps, 0.0, 1.0);
  optimizer.weight_decay = reader.number("weight_decay", optimizer.weight_decay, 0.0, 10.0);
  optimizer.warmup_ratio = reader.number("warmup_ratio", optimizer.warmup_ratio, 0.0, 1.0);
  optimizer.min_lr_ratio = reader.number("min_lr_ratio", optimizer.min_lr_ratio, 0.0, 1.0);
  optimizer.schedule = choose(reader, "schedule", kSchedules, Schedule::cosine);
  reader.finish();
  return optimizer;
}

std::vector<Growth> read_growth(YamlReader& reader) {
  std::vector<Growth> growth;
  for (YamlReader row : reader.members("growth")) {
    Growth next{row.number("from", 0.0, 0.0, 1.0), row.integer("layers", 1, 1)};
    const bool is_first = growth.empty();
    if (is_first ? next.from != 0.0
                 : next.from <= growth.back().from || next.layers <= growth.back().layers) {
      row.refuse("from", "expected 0 first, then ascending `from` and `layers`");
    }
    row.finish();
    growth.push_back(next);
  }
  return growth;
}

ContrastiveRecipe read_contrastive(YamlReader reader) {
  ContrastiveRecipe out;
  out.drawings_per_label = reader.integer("drawings_per_label", out.drawings_per_label, 1);
  out.label_text_ratio = reader.number("label_text_ratio", out.label_text_ratio, 0.0, 1.0);
  out.image_image_weight = reader.number("image_image_weight", out.image_image_weight, 0.0, kHuge);
  out.text_weight = reader.number("text_weight", out.text_weight, 0.0, kHuge);
  out.patch_weight = reader.number("patch_weight", out.patch_weight, 0.0, kHuge);
  out.other_names = reader.integer("other_names", out.other_names, 0);
  out.label_vectors = reader.flag("label_vectors", out.label_vectors);
  out.projection_dim = reader.integer("projection_dim", out.projection_dim, 1);
  out.text_hidden_size = reader.integer("text_hidden_size", out.text_hidden_size, 1);
  out.text_layers = reader.integer("text_layers", out.text_layers, 1);
  out.text_heads = reader.integer("text_heads", out.text_heads, 1);
  out.text_max_length = reader.integer("text_max_length", out.text_max_length, 2);
  out.max_logit_scale = reader.number("max_logit_scale", out.max_logit_scale, 1.0, kHuge);
  out.growth = read_growth(reader);
  reader.finish();
  return out;
}

AugmentRecipe read_augment(YamlReader reader) {
  AugmentRecipe out;
  const auto read = [&](const char* key, double& value, double most) {
    value = reader.number(key, value, 0.0, most);
  };
  read("rotation", out.rotation, 180.0);
  read("min_scale", out.min_scale, 4.0);
  read("max_scale", out.max_scale, 4.0);
  read("shift", out.shift, 1.0);
  read("flip", out.flip, 1.0);
  read("brightness", out.brightness, 1.0);
  read("contrast", out.contrast, 1.0);
  read("saturation", out.saturation, 1.0);
  read("hue", out.hue, 0.5);
  read("grey", out.grey, 1.0);
  read("noise", out.noise, 1.0);
  read("cutout", out.cutout, 1.0);
  if (out.min_scale <= 0.0 || out.max_scale < out.min_scale) {
    reader.refuse("min_scale", "expected 0 < min_scale <= max_scale");
  }
  reader.finish();
  return out;
}

void check_stage(const Recipe& recipe, const YamlReader& reader) {
  if (recipe.output.empty()) reader.refuse("output", "expected the folder for the result");
  if (recipe.tokenizer.empty())
    reader.refuse("tokenizer", "expected a tokenizer.model or its folder");
  if (recipe.data.empty()) reader.refuse("data", "expected at least one data set");
  for (const std::string& part : recipe.freeze)
    check_part(reader, "freeze", part);
  if (recipe.augment && recipe.freezes("vision_tower")) {
    reader.refuse(
        "augment",
        "a frozen vision_tower sees each picture once and unchanged; take it out of 'freeze'");
  }
  if (recipe.stage != Stage::tower) return;
  for (const DataSource& source : recipe.data) {
    if (source.kind != data::Kind::pairs) {
      reader.refuse("data", "the tower stage takes only pairs; '" + source.name + "' is not");
    }
  }
}

Recipe read_stage(const YAML::Node& node, const std::string& where) {
  YamlReader reader(node, where);
  Recipe recipe;
  if (!reader.has("stage")) reader.refuse("stage", "expected tower, text, align, pretrain or sft");
  recipe.stage = choose(reader, "stage", kStages, Stage::text);
  recipe.output = reader.text("output", "");
  recipe.cache = reader.text("cache", (recipe.output.parent_path() / "cache").string());
  recipe.tokenizer = reader.text("tokenizer", "");
  recipe.init = read_init(reader.member("init"));
  recipe.model = read_model(reader.member("model"));
  recipe.data = read_sources(reader, "data");
  recipe.validation = read_sources(reader, "validation");
  recipe.train = read_loop(reader.member("train"));
  recipe.optimizer = read_optimizer(reader.member("optimizer"));
  recipe.freeze = reader.texts("freeze");
  recipe.contrastive = read_contrastive(reader.member("contrastive"));
  if (recipe.stage == Stage::tower || reader.has("augment"))
    recipe.augment = read_augment(reader.member("augment"));
  recipe.chat_template = reader.text("chat_template", recipe.chat_template);
  recipe.store_bf16 = reader.flag("store_bf16", recipe.store_bf16);
  reader.finish();
  check_stage(recipe, reader);
  recipe.text = YAML::Dump(node) + "\n";
  return recipe;
}

YAML::Node load(const std::filesystem::path& file) {
  try {
    return YAML::LoadFile(file.string());
  } catch (const YAML::BadFile&) {
    fail(ErrorCode::not_found, "{}: no such recipe", file.string());
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_config, "{}:{}:{}: {}", file.string(), error.mark.line + 1,
         error.mark.column + 1, error.msg);
  }
}

/// Sets node.a.b to the YAML value of "a.b=value".
void apply_override(YAML::Node root, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(ErrorCode::invalid_argument, "--set {}: expected key.key=value", text);
  }
  std::istringstream path(text.substr(0, equals));
  std::vector<std::string> keys;
  for (std::string key; std::getline(path, key, '.');)
    keys.push_back(key);
  YAML::Node node;
  node.reset(root);
  for (size_t i = 0; i + 1 < keys.size(); ++i) {
    if (node[keys[i]].IsDefined() && !node[keys[i]].IsMap()) {
      fail(ErrorCode::invalid_argument, "--set {}: '{}' is not a mapping", text, keys[i]);
    }
    node.reset(node[keys[i]]);
  }
  try {
    node[keys.back()] = YAML::Load(text.substr(equals + 1));
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "--set {}: {}", text, error.msg);
  }
}

}  // namespace

bool Recipe::freezes(const std::string& part) const {
  return std::ranges::find(freeze, part) != freeze.end();
}

std::string stage_name(Stage stage) {
  for (const auto& choice : kStages) {
    if (choice.value == stage) return choice.name;
  }
  VILA_CHECK(false, "no such stage");
  return {};
}

std::vector<Recipe> read_recipes(const std::filesystem::path& file,
                                 const std::vector<std::string>& overrides) {
  std::vector<std::filesystem::path> files = {file};
  YAML::Node first = load(file);
  if (first.IsMap() && first["stages"].IsDefined()) {
    YamlReader reader(first, file.string());
    files.clear();
    for (const std::string& name : reader.texts("stages"))
      files.push_back(file.parent_path() / name);
    reader.finish();
  }
  std::vector<Recipe> recipes;
  for (const auto& stage : files) {
    YAML::Node node = load(stage);
    for (const std::string& text : overrides)
      apply_override(node, text);
    recipes.push_back(read_stage(node, stage.filename().string()));
  }
  return recipes;
}

}  // namespace vila::train
