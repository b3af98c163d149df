// SPDX-License-Identifier: Apache-2.0
// The recipes that come with the program, but those of recipes_shots.cc, in the language of
// anyone's own (docs/evaluation.md).
#include "eval/tasks/recipes.h"

#include <array>

#include <fmt/ranges.h>

#include "base/error.h"
#include "eval/recipe.h"

namespace vila::eval {
namespace {

// Tables of VLMEvalKit: tab-separated, the picture as base64 in the column "image".
constexpr const char* kAi2d = R"(
task: ai2d
title: AI2D
dataset_path: ["AI2D*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{hint?}}{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: [A, B, C, D, E, F, G, H, I, J]
doc_to_target: answer
metric: choice
group_by: [category, split]
)";

constexpr const char* kRealWorldQa = R"(
task: realworldqa
title: RealWorldQA
dataset_path: ["RealWorldQA*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{hint?}}{{question}}\n{{options?}}{{ask}}"
doc_to_choice: [A, B, C, D, E, F, G, H, I, J]
doc_to_target: answer
metric: choice
group_by: [category, split]
)";

constexpr const char* kMmstar = R"(
task: mmstar
title: MMStar
dataset_path: ["MMStar*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{hint?}}{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: [A, B, C, D, E, F, G, H, I, J]
doc_to_target: answer
metric: choice
group_by: [category, l2_category, split]
)";

constexpr const char* kChartQa = R"(
task: chartqa
title: ChartQA
dataset_path: ["ChartQA*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{question}}\n{{ask}}"
doc_to_target: answer
metric: relaxed_accuracy
aggregation: mean_of_groups
group_by: [split, category]
)";

constexpr const char* kDocVqa = R"(
task: docvqa
title: DocVQA
dataset_path: ["DocVQA*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{question}}\n{{ask}}"
doc_to_target: answer
metric: anls
group_by: [category, split]
)";

constexpr const char* kInfoVqa = R"(
task: infovqa
title: InfoVQA
dataset_path: ["InfoVQA*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{question}}\n{{ask}}"
doc_to_target: answer
metric: anls
group_by: [category, split]
)";

constexpr const char* kMmmu = R"(
task: mmmu
title: MMMU
dataset_path: ["MMMU_DEV_VAL*", "MMMU*"]
where: {split: validation}
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{question}}\n{{options?}}{{ask}}"
doc_to_choice: [A, B, C, D, E, F, G, H, I]
doc_to_target: answer
metric: mmmu
group_by: [category, l2-category]
)";

// Its question says how to answer, and has the choices in it.
constexpr const char* kMathVista = R"(
task: mathvista
title: MathVista
dataset_path: ["MathVista*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric: mathvista
group_by: [task, category]
)";

constexpr const char* kBlink = R"(
task: blink
title: BLINK
dataset_path: ["BLINK*"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{hint?}}{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
metric: choice
aggregation: mean_of_groups
group_by: [category]
)";

constexpr const char* kTsv = R"(
task: tsv
title: own table
dataset_path: ["*.tsv"]
doc_to_id: "{{index}}"
doc_to_visual: [image_path, image]
doc_to_text: "{{hint?}}{{question}}\n{{options?}}{{ask}}"
doc_to_choice: [A, B, C, D, E, F, G, H, I, J]
doc_to_target: answer
metric: guess
group_by: [category, split]
)";

constexpr const char* kJsonl = R"(
task: jsonl
title: own lines
dataset_path: ["*.jsonl"]
doc_to_id: "{{id}}"
doc_to_visual: [image, images]
doc_to_text: "{{question}}\n{{options?}}{{ask}}"
doc_to_choice: choices
doc_to_target: answer
metric: guess
group_by: [category]
)";

// Video by frames: a folder of pictures for each video, frames/<name of the video>.
constexpr const char* kVideoMme = R"(
task: videomme
title: Video-MME
dataset_path: ["Video-MME*", "videomme*"]
doc_to_id: "{{question_id}}"
doc_to_visual: "frames/{{video}}"
num_frames: 8
doc_to_text: "{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: candidates
doc_to_target: answer
metric: choice
group_by: [duration, domain, task_type]
)";

constexpr const char* kNextQa = R"(
task: nextqa
title: NExT-QA
dataset_path: ["test-data-mc.csv", "test.csv", "val.csv"]
doc_to_id: "{{video}}_{{qid}}"
doc_to_visual: "frames/{{video}}"
num_frames: 8
doc_to_text: "{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: [a0, a1, a2, a3, a4]
doc_to_target: answer
target_form: index
metric: choice
group_by: [type]
)";

constexpr const char* kMvBench = R"(
task: mvbench
title: MVBench
dataset_path: ["*.json"]
doc_to_id: "{{file}}/{{row}}"
doc_to_visual: "frames/{{video}}"
num_frames: 8
video_part: [start, end]
doc_to_text: "{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: candidates
doc_to_target: answer
target_form: text
metric: choice
aggregation: mean_of_groups
group_by: [file]
)";

constexpr const char* kEgoSchema = R"(
task: egoschema
title: EgoSchema
dataset_path: ["questions.json"]
join: {dataset_path: ["subset_answers.json"], key: key, with: q_uid, drop_unmatched: true}
doc_to_id: "{{q_uid}}"
doc_to_visual: "frames/{{q_uid}}"
num_frames: 8
doc_to_text: "{{question}}\n{{options}}\n{{ask}}"
doc_to_choice: ["option 0", "option 1", "option 2", "option 3", "option 4"]
doc_to_target: value
target_form: index
metric: choice
)";

constexpr std::array kPictured = {kAi2d,    kRealWorldQa, kMmstar,    kChartQa, kDocVqa,
                                  kInfoVqa, kMmmu,        kMathVista, kBlink,   kVideoMme,
                                  kNextQa,  kMvBench,     kEgoSchema};
constexpr std::array kOwn = {kTsv, kJsonl};

// All that ship, in the order of the list of benchmarks.
std::vector<const char*> all_texts() {
  std::vector<const char*> texts(kPictured.begin(), kPictured.end());
  const auto shots = shot_recipe_texts();
  texts.insert(texts.end(), shots.begin(), shots.end());
  texts.insert(texts.end(), kOwn.begin(), kOwn.end());
  return texts;
}

}  // namespace

std::vector<Recipe> shipped_recipes() {
  std::vector<Recipe> recipes;
  for (const char* text : all_texts())
    recipes.push_back(parse_recipe(text, "shipped recipe"));
  return recipes;
}

std::string shipped_recipe_text(std::string_view name) {
  std::vector<std::string> names;
  for (const char* text : all_texts()) {
    const std::string own = parse_recipe(text, "shipped recipe").name;
    if (own == name) return std::string(text).substr(1);
    names.push_back(own);
  }
  fail(ErrorCode::invalid_argument, "recipe: expected one of {}, found \"{}\"",
       fmt::join(names, ", "), name);
}

}  // namespace vila::eval
