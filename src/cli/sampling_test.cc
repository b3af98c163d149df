// SPDX-License-Identifier: Apache-2.0
#include "cli/sampling.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "vila/error.h"

namespace vila::cli {
namespace {

ErrorCode code_of(const engine::GenerateOptions& options) {
  try {
    check_sampling(options);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::failed;
}

TEST(Sampling, SetsEveryOptionThatItShows) {
  engine::GenerateOptions options;
  Json changed = sampling_json(options);
  changed["temperature"] = 0.75;
  changed["top_k"] = 7;
  changed["seed"] = 11;
  changed["stop"] = {"###", "END"};
  changed["speculate"] = "lookup";

  for (const auto& [name, value] : changed.items()) {
    EXPECT_TRUE(set_sampling(options, name, value)) << name;
  }

  EXPECT_EQ(sampling_json(options), changed);
}

TEST(Sampling, TakesDashesForUnderscoresAndOneStopString) {
  engine::GenerateOptions options;

  EXPECT_TRUE(set_sampling(options, "max-tokens", 3));
  EXPECT_TRUE(set_sampling(options, "stop", "\n"));

  EXPECT_EQ(options.max_tokens, 3);
  EXPECT_EQ(options.stop, std::vector<std::string>{"\n"});
}

TEST(Sampling, SaysWhenANameIsUnknownOrAValueHasTheWrongType) {
  engine::GenerateOptions options;

  EXPECT_FALSE(set_sampling(options, "temprature", 1));
  EXPECT_THROW(set_sampling(options, "temperature", "hot"), Error);
  EXPECT_THROW(set_sampling(options, "top_k", 1.5), Error);
  EXPECT_THROW(set_sampling(options, "speculate", "sometimes"), Error);
  EXPECT_THROW(set_sampling(options, "speculate", 1), Error);
}

TEST(Sampling, RefusesValuesOutOfRange) {
  const auto with = [](const char* name, const Json& value) {
    engine::GenerateOptions options;
    set_sampling(options, name, value);
    return options;
  };

  EXPECT_NO_THROW(check_sampling({}));
  EXPECT_EQ(code_of(with("temperature", -1)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("temperature", std::nan(""))), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("top_p", 0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("top_k", -2)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("min_p", 2)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("repeat_penalty", 0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("max_tokens", 0)), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(with("stop", "")), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace vila::cli
