// SPDX-License-Identifier: Apache-2.0
// Recipes with solved examples, and those of text alone.
#include <array>

#include "eval/tasks/recipes.h"

namespace vila::eval {
namespace {

// Solved examples in the interleaved form of the paper: picture and text in turn, all in one prompt
// without a template. The same examples stand before every question, drawn once.
constexpr const char* kVqav2Shot = R"(
task: vqav2-shot
title: VQAv2
dataset_path: ["v2_OpenEnded_mscoco_val2014_questions.json"]
rows: questions
join:
  dataset_path: ["v2_mscoco_val2014_annotations.json"]
  rows: annotations
  key: question_id
  with: question_id
doc_to_id: "{{question_id}}"
doc_to_visual: "val2014/COCO_val2014_{{image_id:12}}.jpg"
doc_to_text: "<image>Question: {{question}} Short answer:"
doc_to_target: answers.answer
metric: vqa_accuracy
group_by: [answer_type]
raw_prompt: true
generation_kwargs: {max_new_tokens: 16, until: ["\n", "<image>"]}
fewshot:
  dataset_path: ["v2_OpenEnded_mscoco_train2014_questions.json"]
  rows: questions
  join:
    dataset_path: ["v2_mscoco_train2014_annotations.json"]
    rows: annotations
    key: question_id
    with: question_id
  doc_to_visual: "train2014/COCO_train2014_{{image_id:12}}.jpg"
  doc_to_text: "<image>Question: {{question}} Short answer: {{target}}\n"
  num_fewshot: 4
  seed: 0
)";

constexpr const char* kOkVqaShot = R"(
task: okvqa-shot
title: OK-VQA
dataset_path: ["OpenEnded_mscoco_val2014_questions.json"]
rows: questions
join:
  dataset_path: ["mscoco_val2014_annotations.json"]
  rows: annotations
  key: question_id
  with: question_id
doc_to_id: "{{question_id}}"
doc_to_visual: "val2014/COCO_val2014_{{image_id:12}}.jpg"
doc_to_text: "<image>Question: {{question}} Short answer:"
doc_to_target: answers.answer
metric: vqa_accuracy
group_by: [question_type]
raw_prompt: true
generation_kwargs: {max_new_tokens: 16, until: ["\n", "<image>"]}
fewshot:
  dataset_path: ["OpenEnded_mscoco_train2014_questions.json"]
  rows: questions
  join:
    dataset_path: ["mscoco_train2014_annotations.json"]
    rows: annotations
    key: question_id
    with: question_id
  doc_to_visual: "train2014/COCO_train2014_{{image_id:12}}.jpg"
  doc_to_text: "<image>Question: {{question}} Short answer: {{target}}\n"
  num_fewshot: 4
  seed: 0
)";

constexpr const char* kTextVqaShot = R"(
task: textvqa-shot
title: VQA-T
dataset_path: ["TextVQA_0.5.1_val.json"]
rows: data
doc_to_id: "{{question_id}}"
doc_to_visual: "train_images/{{image_id}}.jpg"
doc_to_text: "<image>Question: {{question}} Short answer:"
doc_to_target: answers
metric: vqa_accuracy
raw_prompt: true
generation_kwargs: {max_new_tokens: 16, until: ["\n", "<image>"]}
fewshot:
  dataset_path: ["TextVQA_0.5.1_train.json"]
  rows: data
  doc_to_text: "<image>Question: {{question}} Short answer: {{target}}\n"
  num_fewshot: 4
  seed: 0
)";

// Captions in Karpathy's splits.
constexpr const char* kCocoShot = R"(
task: coco-caption-shot
title: COCO caption
dataset_path: ["dataset_coco.json"]
rows: images
where: {split: test}
doc_to_id: "{{cocoid}}"
doc_to_visual: "{{filepath}}/{{filename}}"
doc_to_text: "<image>A short caption:"
doc_to_target: sentences.raw
metric: caption
raw_prompt: true
generation_kwargs: {max_new_tokens: 30, until: ["\n", "<image>"]}
fewshot:
  dataset_path: ["dataset_coco.json"]
  rows: images
  where: {split: train}
  doc_to_text: "<image>A short caption: {{target}}\n"
  num_fewshot: 4
  seed: 0
)";

constexpr const char* kFlickrShot = R"(
task: flickr30k-shot
title: Flickr30k
dataset_path: ["dataset_flickr30k.json"]
rows: images
where: {split: test}
doc_to_id: "{{imgid}}"
doc_to_visual: "{{filename}}"
doc_to_text: "<image>A short caption:"
doc_to_target: sentences.raw
metric: caption
raw_prompt: true
generation_kwargs: {max_new_tokens: 30, until: ["\n", "<image>"]}
fewshot:
  dataset_path: ["dataset_flickr30k.json"]
  rows: images
  where: {split: train}
  doc_to_text: "<image>A short caption: {{target}}\n"
  num_fewshot: 4
  seed: 0
)";

// Text alone. MMLU by the probability of the letter, and by the letter that is written.
constexpr const char* kMmlu = R"(
task: mmlu
title: MMLU
dataset_path: ["*_test.csv"]
columns: [question, A, B, C, D, answer]
doc_to_id: "{{file}}/{{row}}"
description: "The following are multiple choice questions (with answers) about {{subject}}.\n\n"
doc_to_text: "{{question}}\n{{options}}\nAnswer:"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
output_type: multiple_choice
group_by: [subject]
fewshot:
  dataset_path: ["*_dev.csv"]
  columns: [question, A, B, C, D, answer]
  doc_to_text: "{{question}}\n{{options}}\nAnswer: {{target}}\n\n"
  by: "{{subject}}"
  num_fewshot: 5
)";

constexpr const char* kMmluGen = R"(
task: mmlu-generate
title: MMLU (written)
dataset_path: ["*_test.csv"]
columns: [question, A, B, C, D, answer]
doc_to_id: "{{file}}/{{row}}"
description: "The following are multiple choice questions (with answers) about {{subject}}.\n\n"
doc_to_text: "{{question}}\n{{options}}\nAnswer:"
doc_to_choice: [A, B, C, D]
doc_to_target: answer
metric: letter
raw_prompt: true
generation_kwargs: {max_new_tokens: 4, until: ["\n"]}
group_by: [subject]
fewshot:
  dataset_path: ["*_dev.csv"]
  columns: [question, A, B, C, D, answer]
  doc_to_text: "{{question}}\n{{options}}\nAnswer: {{target}}\n\n"
  by: "{{subject}}"
  num_fewshot: 5
)";

constexpr const char* kGsm8k = R"(
task: gsm8k
title: GSM8K
dataset_path: ["test.jsonl", "gsm8k_test.jsonl"]
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: answer
metric: number
raw_prompt: true
generation_kwargs: {max_new_tokens: 256, until: ["Question:"]}
fewshot:
  dataset_path: ["train.jsonl", "gsm8k_train.jsonl"]
  doc_to_text: "Question: {{question}}\nAnswer: {{target}}\n\n"
  num_fewshot: 5
)";

constexpr const char* kText = R"(
task: text
title: perplexity
dataset_path: ["*.jsonl"]
doc_to_text: "{{text}}"
output_type: loglikelihood_rolling
metric: perplexity
)";

constexpr std::array kTexts = {kVqav2Shot, kOkVqaShot, kTextVqaShot, kCocoShot, kFlickrShot,
                               kMmlu,      kMmluGen,   kGsm8k,       kText};

}  // namespace

std::span<const char* const> shot_recipe_texts() {
  return kTexts;
}

}  // namespace vila::eval
