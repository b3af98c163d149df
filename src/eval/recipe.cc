// SPDX-License-Identifier: Apache-2.0
#include "eval/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "data/yaml_reader.h"

namespace vila::eval {
namespace {

using data::YamlReader;

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array kAskings = {Named<Asking>{"generate_until", Asking::generate},
                                 Named<Asking>{"multiple_choice", Asking::options},
                                 Named<Asking>{"loglikelihood_rolling", Asking::losses}};
constexpr std::array kAggregates = {Named<Aggregate>{"mean", Aggregate::mean},
                                    Named<Aggregate>{"mean_of_groups", Aggregate::mean_of_groups}};

template <typename T, size_t N>
T choose(YamlReader& reader, const std::string& key, const std::array<Named<T>, N>& choices) {
  const std::string found = reader.text(key, std::string(choices.front().name));
  std::vector<std::string_view> names;
  for (const Named<T>& choice : choices) {
    if (choice.name == found) return choice.value;
    names.push_back(choice.name);
  }
  reader.refuse(key, fmt::format("expected one of {}, found '{}'", fmt::join(names, ", "), found));
}

RowSource read_source(YamlReader& reader) {
  RowSource source;
  source.files = reader.texts("dataset_path");
  source.format.member = reader.text("rows", "");
  source.format.columns = reader.texts("columns");
  YamlReader where = reader.member("where");
  for (const std::string& key : where.keys())
    source.where[key] = where.text(key, "");
  return source;
}

Join read_join(YamlReader& reader) {
  Join join;
  if (!reader.has("join")) return join;
  YamlReader own = reader.member("join");
  join.source = read_source(own);
  join.key = own.text("key", "key");
  join.with = own.text("with", "");
  join.as = own.text("as", "");
  join.drops_unmatched = own.flag("drop_unmatched", false);
  if (join.source.files.empty() || join.with.empty()) {
    own.refuse("with", "expected dataset_path, key and with");
  }
  own.finish();
  return join;
}

FewShot read_few_shot(YamlReader& reader) {
  FewShot shots;
  if (!reader.has("fewshot")) return shots;
  YamlReader own = reader.member("fewshot");
  shots.source = read_source(own);
  shots.join = read_join(own);
  shots.visual = own.texts("doc_to_visual");
  shots.text = own.text("doc_to_text", "");
  shots.target = own.text("doc_to_target", "");
  shots.by = own.text("by", "");
  shots.count = own.integer("num_fewshot", 4, 0);
  shots.seed = own.integer("seed", -1, -1);
  if (shots.text.find("{{target}}") == std::string::npos) {
    own.refuse("doc_to_text", "expected a form with {{target}} in it");
  }
  own.finish();
  return shots;
}

void read_generation(YamlReader& reader, Recipe& recipe) {
  YamlReader generation = reader.member("generation_kwargs");
  recipe.max_tokens = generation.integer("max_new_tokens", recipe.max_tokens, 1);
  recipe.stop = generation.texts("until");
  generation.finish();
}

void read_target(YamlReader& reader, Recipe& recipe) {
  recipe.choices = reader.texts("doc_to_choice");
  recipe.target = reader.text("doc_to_target", "");
  const std::string form = reader.text("target_form", "letter");
  recipe.target_is_index = form == "index";
  recipe.target_is_text = form == "text";
  if (form != "letter" && !recipe.target_is_index && !recipe.target_is_text) {
    reader.refuse("target_form",
                  "expected letter, index or text (of a choice), found '" + form + "'");
  }
}

Rule read_rule(YamlReader& reader) {
  const std::string name = reader.text("metric", "exact_match");
  try {
    return find_rule(name);
  } catch (const Error& error) {
    reader.refuse("metric", error.message());
  }
}

void check(const Recipe& recipe, YamlReader& reader) {
  if (recipe.name.empty()) reader.refuse("task", "expected a name");
  if (recipe.source.files.empty()) reader.refuse("dataset_path", "expected file names");
  if (recipe.text.empty()) reader.refuse("doc_to_text", "expected the form of a question");
  if (recipe.asking == Asking::options && recipe.choices.empty()) {
    reader.refuse("doc_to_choice", "expected choices for output_type multiple_choice");
  }
  if (!recipe.part.empty() && recipe.part.size() != 2) {
    reader.refuse("video_part", "expected two columns, of the first second and the last");
  }
  const bool needs_target = recipe.rule != Rule::perplexity;
  if (needs_target && recipe.target.empty()) {
    reader.refuse("doc_to_target", "expected the path of the gold answer");
  }
  if (recipe.aggregate == Aggregate::mean_of_groups && recipe.groups.empty()) {
    reader.refuse("group_by", "expected a column for aggregation mean_of_groups");
  }
}

}  // namespace

Recipe parse_recipe(const std::string& yaml, const std::string& source) {
  YamlReader reader(data::parse_yaml(yaml, source), source);
  Recipe recipe;
  recipe.name = reader.text("task", "");
  recipe.title = reader.text("title", recipe.name);
  recipe.source = read_source(reader);
  recipe.join = read_join(reader);
  recipe.id = reader.text("doc_to_id", "");
  recipe.visual = reader.texts("doc_to_visual");
  recipe.frames = reader.integer("num_frames", recipe.frames, 1);
  recipe.part = reader.texts("video_part");
  recipe.text = reader.text("doc_to_text", "");
  recipe.description = reader.text("description", "");
  read_target(reader, recipe);
  recipe.rule = read_rule(reader);
  recipe.asking = choose(reader, "output_type", kAskings);
  recipe.aggregate = choose(reader, "aggregation", kAggregates);
  recipe.groups = reader.texts("group_by");
  recipe.is_raw = reader.flag("raw_prompt", recipe.asking != Asking::generate);
  read_generation(reader, recipe);
  recipe.few_shot = read_few_shot(reader);
  reader.finish();
  check(recipe, reader);
  return recipe;
}

}  // namespace vila::eval
