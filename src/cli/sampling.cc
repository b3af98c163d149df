// SPDX-License-Identifier: Apache-2.0
#include "cli/sampling.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila::cli {
namespace {

using engine::GenerateOptions;
using engine::Speculate;

template <typename T>
T value_as(const std::string& name, const Json& value, bool is_right_type, const char* type) {
  if (!is_right_type) {
    fail(ErrorCode::invalid_argument, "{}: expected {}, found {}", name, type, value.dump());
  }
  return value.get<T>();
}

double as_number(const std::string& name, const Json& value) {
  return value_as<double>(name, value, value.is_number(), "a number");
}

int64_t as_integer(const std::string& name, const Json& value) {
  return value_as<int64_t>(name, value, value.is_number_integer(), "an integer");
}

std::vector<std::string> as_strings(const std::string& name, const Json& value) {
  if (value.is_string()) return {value.get<std::string>()};
  const bool is_list = value.is_array() && std::ranges::all_of(value, [](const Json& item) {
                         return item.is_string();
                       });
  return value_as<std::vector<std::string>>(name, value, is_list, "a string or a list of strings");
}

const std::map<std::string, Speculate>& speculate_names() {
  static const std::map<std::string, Speculate> names = {
      {"off", Speculate::off}, {"lookup", Speculate::lookup}, {"auto", Speculate::automatic}};
  return names;
}

Speculate as_speculate(const std::string& name, const Json& value) {
  const auto found = speculate_names().find(value.is_string() ? value.get<std::string>() : "");
  if (found == speculate_names().end()) {
    fail(ErrorCode::invalid_argument, "{}: expected off, lookup or auto, found {}", name,
         value.dump());
  }
  return found->second;
}

std::string speculate_name(Speculate speculate) {
  const auto& names = speculate_names();
  return std::ranges::find(names, speculate, [](const auto& row) { return row.second; })->first;
}

void require(bool is_valid, const char* name, const char* expected, double found) {
  if (!is_valid) {
    fail(ErrorCode::invalid_argument, "{}: expected {}, found {}", name, expected, found);
  }
}

}  // namespace

void add_sampling_options(CLI::App& app, GenerateOptions& options) {
  const char* group = "Sampling";
  app.add_option("--temperature", options.temperature, "0: always the likeliest token")
      ->group(group);
  app.add_option("--top-k", options.top_k, "Only the K likeliest tokens; 0: off")
      ->group(group)
      ->capture_default_str();
  app.add_option("--top-p", options.top_p, "Only the likeliest tokens of this total probability")
      ->group(group)
      ->capture_default_str();
  app.add_option("--min-p", options.min_p, "Only tokens this likely beside the likeliest")
      ->group(group)
      ->capture_default_str();
  app.add_option("--repeat-penalty", options.repeat_penalty, "Above 1: seldom the same token again")
      ->group(group)
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Same seed, same answer")
      ->group(group)
      ->capture_default_str();
  app.add_option("--max-tokens", options.max_tokens, "Longest answer")
      ->group(group)
      ->capture_default_str();
  app.add_option("--stop", options.stop, "Text that ends the answer (repeatable)")
      ->group(group)
      ->allow_extra_args(false)
      ->type_name("TEXT");
  app.add_option("--logprobs", options.logprobs, "Log probabilities of each token and N others")
      ->group(group)
      ->type_name("N");
  app.add_option_function<std::string>(
         "--speculate",
         [&options](const std::string& name) {
           options.speculate = as_speculate("speculate", name);
         },
         "Try guessed tokens together: off, lookup (where the text repeats itself) or auto (where "
         "that is measured to be faster); the answer is the same (default: auto)")
      ->group(group)
      ->check(CLI::IsMember({"off", "lookup", "auto"}))
      ->type_name("MODE");
}

bool set_sampling(GenerateOptions& options, const std::string& name, const Json& value) {
  std::string key = name;
  std::ranges::replace(key, '-', '_');
  if (key == "temperature")
    options.temperature = as_number(key, value);
  else if (key == "top_k")
    options.top_k = as_integer(key, value);
  else if (key == "top_p")
    options.top_p = as_number(key, value);
  else if (key == "min_p")
    options.min_p = as_number(key, value);
  else if (key == "repeat_penalty")
    options.repeat_penalty = as_number(key, value);
  else if (key == "seed")
    options.seed = static_cast<uint64_t>(as_integer(key, value));
  else if (key == "max_tokens")
    options.max_tokens = as_integer(key, value);
  else if (key == "stop")
    options.stop = as_strings(key, value);
  else if (key == "logprobs")
    options.logprobs = as_integer(key, value);
  else if (key == "speculate")
    options.speculate = as_speculate(key, value);
  else
    return false;
  return true;
}

Json sampling_json(const GenerateOptions& options) {
  return {{"temperature", options.temperature},
          {"top_k", options.top_k},
          {"top_p", options.top_p},
          {"min_p", options.min_p},
          {"repeat_penalty", options.repeat_penalty},
          {"seed", options.seed},
          {"max_tokens", options.max_tokens},
          {"stop", options.stop},
          {"logprobs", options.logprobs},
          {"speculate", speculate_name(options.speculate)}};
}

void check_sampling(const GenerateOptions& options) {
  require(options.temperature >= 0 && std::isfinite(options.temperature), "temperature",
          "a number >= 0", options.temperature);
  require(options.top_k >= 0, "top_k", ">= 0", static_cast<double>(options.top_k));
  require(options.top_p > 0 && options.top_p <= 1, "top_p", "0 < top_p <= 1", options.top_p);
  require(options.min_p >= 0 && options.min_p <= 1, "min_p", "0 <= min_p <= 1", options.min_p);
  require(options.repeat_penalty > 0 && std::isfinite(options.repeat_penalty), "repeat_penalty",
          "a number > 0", options.repeat_penalty);
  require(options.max_tokens >= 1, "max_tokens", ">= 1", static_cast<double>(options.max_tokens));
  if (std::ranges::any_of(options.stop, &std::string::empty)) {
    fail(ErrorCode::invalid_argument, "stop: expected texts, found an empty one");
  }
  require(options.logprobs >= -1, "logprobs", ">= 0", static_cast<double>(options.logprobs));
}

}  // namespace vila::cli
