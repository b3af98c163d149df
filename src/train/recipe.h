// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/sample.h"
#include "spec/config.h"

namespace vila::train {

/// What a stage trains: the tower by contrast with texts, a language model on text, then VILA's
/// three stages (docs/training.md).
enum class Stage { tower, text, align, pretrain, sft };

/// Number type of the matrix products. Parameters, norms, softmax and loss are f32 in both.
enum class Precision { f32, bf16 };

/// How the learning rate falls after the warm-up.
enum class Schedule { cosine, linear, constant };

/// One data set of a stage.
struct DataSource {
  std::string name;  // for logs; by default the file's stem
  std::filesystem::path path;
  data::Kind kind = data::Kind::text;
  double repeat = 1.0;
  std::filesystem::path image_root;
};

/// Folders that parts of the model start from; an empty one starts at random.
struct InitRecipe {
  std::filesystem::path llm;
  std::filesystem::path vision_tower;
  std::filesystem::path mm_projector;
};

/// `train:` How long, on how much at once, and how often to report.
struct LoopRecipe {
  int64_t steps = 0;                // 0: from `epochs`
  double epochs = 0.0;              // of the mixture; used when steps is 0
  int64_t tokens_per_batch = 8192;  // rows of the language model in one batch
  int64_t batch_size = 256;         // pictures in one batch (tower)
  int64_t max_length = 1024;        // rows of one sample; longer text is cut in pieces
  int64_t gradient_accumulation = 1;
  Precision precision = Precision::f32;
  uint64_t seed = 1;
  double max_grad_norm = 1.0;  // 0: no clipping
  int64_t save_every = 200;
  int64_t validate_every = 200;      // 0: only at the end
  int64_t validation_samples = 256;  // of each validation set
  int64_t log_every = 10;
  std::string device = "cpu";  // or "cuda"
};

/// `optimizer:` AdamW with decoupled decay on all but norms and biases.
struct OptimizerRecipe {
  double lr = 1e-3;
  std::map<std::string, double> part_lr;  // "llm", "mm_projector", "vision_tower"
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double warmup_ratio = 0.03;
  double min_lr_ratio = 0.0;
  Schedule schedule = Schedule::cosine;
};

/// From this share of the steps on, the tower has so many layers.
struct Growth {
  double from = 0.0;
  int64_t layers = 0;
};

/// `contrastive:` The tower stage's texts, batches and terms.
struct ContrastiveRecipe {
  int64_t drawings_per_label = 2;   // different pictures of one concept in a batch
  double label_text_ratio = 0.5;    // how often the text is the bare label instead of the caption
  double image_image_weight = 0.3;  // of the picture-picture term
  double text_weight = 1.0;         // of the picture-text term
  double patch_weight = 1.0;        // of the same terms for the patch rows that VILA reads
  int64_t other_names = 0;          // names of other concepts that pictures are held against too
  bool label_vectors = true;        // each label also has a vector of its own beside its words'
  int64_t projection_dim = 256;
  int64_t text_hidden_size = 256;
  int64_t text_layers = 4;
  int64_t text_heads = 4;
  int64_t text_max_length = 32;
  double max_logit_scale = 100.0;
  std::vector<Growth> growth;  // ascending; empty: all layers from the start
};

/// `augment:` Random changes of training pictures, wherever the tower trains; 0 switches one off.
struct AugmentRecipe {
  double rotation = 15.0;  // degrees, either way
  double min_scale = 0.7;  // size of the picture in the frame
  double max_scale = 1.15;
  double shift = 0.1;       // of the side, either way
  double flip = 0.5;        // probability of a mirror image
  double brightness = 0.3;  // factor 1 ± this
  double contrast = 0.3;
  double saturation = 0.5;
  double hue = 0.05;     // of a full turn, either way
  double grey = 0.1;     // probability of no colour at all
  double noise = 0.03;   // largest standard deviation of pixel noise
  double cutout = 0.25;  // probability of a blanked square
};

/// One stage, as its YAML file says. A value.
struct Recipe {
  Stage stage = Stage::text;
  std::filesystem::path output;
  std::filesystem::path cache;  // decoded pictures and frozen features; by default output/../cache
  std::filesystem::path tokenizer;
  InitRecipe init;
  spec::VilaConfig model;  // sizes for parts that start at random
  std::vector<DataSource> data;
  std::vector<DataSource> validation;
  LoopRecipe train;
  OptimizerRecipe optimizer;
  std::vector<std::string> freeze;  // "llm", "mm_projector", "vision_tower"
  ContrastiveRecipe contrastive;
  std::optional<AugmentRecipe> augment;  // the tower stage has it by default, the others do not
  std::string chat_template = "v1";
  bool store_bf16 = false;  // tensors of the published checkpoint in bf16
  std::string text;         // the recipe after --set, as YAML: kept beside the result

  bool freezes(const std::string& part) const;
};

/// "tower", "text", "align", "pretrain" or "sft".
std::string stage_name(Stage stage);

/// Reads a recipe: one stage, or with `stages: [file, …]` (relative to it) several in order. Each
/// override "a.b=c" replaces one key of every stage.
/// @throws Error{invalid_config} naming file and key: unknown (lists the known ones), of the wrong
///         type or out of range; Error{invalid_argument} for a malformed override;
///         Error{not_found}.
std::vector<Recipe> read_recipes(const std::filesystem::path& file,
                                 const std::vector<std::string>& overrides);

}  // namespace vila::train
