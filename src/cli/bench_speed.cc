// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_speed.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/median.h"
#include "kernels/peak.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

// Tokens of the second question: about a dozen words.
constexpr int64_t kSecondQuestion = 16;

// A prompt of exactly `tokens` ids, or as near as words allow.
std::string prompt_of(const text::Tokenizer& tokenizer, int64_t tokens) {
  std::string prompt;
  while (static_cast<int64_t>(spec::tokenize_prompt(tokenizer, prompt + " a").size()) <= tokens) {
    prompt += " a";
  }
  return prompt;
}

engine::Request make_request(const engine::Engine& engine, const BenchRequest& wanted) {
  engine::Request request{
      .prompt = prompt_of(engine.tokenizer(), wanted.prompt), .images = {}, .options = {}};
  request.options.temperature = 0;
  request.options.max_tokens = wanted.gen;
  request.options.ignore_eos = true;
  request.options.speculate = engine::Speculate::off;  // a filler text is guessed too well
  if (wanted.has_image) {
    request.prompt = std::string(spec::kImagePlaceholder) + request.prompt;
    request.images = {bench_picture()};
  }
  return request;
}

Speed speed_of(const engine::Result& result) {
  return {.prompt_tokens = result.usage.prompt_tokens - result.usage.cached_tokens,
          .media_ms = result.timings.media,
          .vision_ms = result.timings.vision,
          .prefill_ms = result.timings.prefill,
          .decode_tok_s =
              static_cast<double>(result.usage.completion_tokens) / result.timings.decode * 1e3};
}

Speed median_of(std::span<const RequestSpeed> runs, Speed RequestSpeed::*which) {
  const auto middle = [&](double Speed::*value) {
    std::vector<double> values;
    for (const RequestSpeed& run : runs)
      values.push_back(run.*which.*value);
    return median(values);
  };
  return {.prompt_tokens = (runs.front().*which).prompt_tokens,
          .media_ms = middle(&Speed::media_ms),
          .vision_ms = middle(&Speed::vision_ms),
          .prefill_ms = middle(&Speed::prefill_ms),
          .decode_tok_s = middle(&Speed::decode_tok_s)};
}

}  // namespace

Limits Limits::measure(ops::Context& ctx) {
  return {.f32 = kernels::measure_fma_peak(ctx.kernels, ctx.pool),
          .int8 = kernels::measure_dot_peak(ctx.kernels, ctx.pool),
          .read = kernels::measure_read_bandwidth(ctx.kernels, ctx.pool)};
}

void Limits::raise_to(const Limits& other) {
  f32 = std::max(f32, other.f32);
  int8 = std::max(int8, other.int8);
  read = std::max(read, other.read);
}

std::shared_ptr<const media::Image> bench_picture() {
  constexpr int64_t kWidth = 640;
  constexpr int64_t kHeight = 480;
  auto image = std::make_shared<media::Image>(kWidth, kHeight);
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      uint8_t* pixel = image->at(x, y);
      pixel[0] = static_cast<uint8_t>(x * y / 7);
      pixel[1] = static_cast<uint8_t>(x / 3);
      pixel[2] = static_cast<uint8_t>(y / 2);
    }
  }
  return image;
}

RequestSpeed run_request(engine::Engine& engine, const BenchRequest& wanted) {
  engine::Request request = make_request(engine, wanted);
  const engine::Result first = engine.generate(request);
  RequestSpeed speed{.first = speed_of(first), .second = {}};
  if (wanted.has_image) {
    request.prompt += first.text + prompt_of(engine.tokenizer(), kSecondQuestion);
    speed.second = speed_of(engine.generate(request));
  }
  return speed;
}

double run_batch(engine::Engine& engine, const BenchRequest& wanted, int64_t count) {
  const std::vector<engine::Request> requests(static_cast<size_t>(count),
                                              make_request(engine, wanted));
  double tokens = 0;
  double longest = 0;
  for (const engine::Engine::BatchResult& answer : engine.generate_batch(requests)) {
    if (!answer.result) fail(ErrorCode::invalid_argument, "{}", answer.error);
    tokens += static_cast<double>(answer.result->usage.completion_tokens);
    longest = std::max(longest, answer.result->timings.decode);
  }
  return tokens / longest * 1e3;
}

RequestSpeed median_speed(std::span<const RequestSpeed> runs) {
  return {.first = median_of(runs, &RequestSpeed::first),
          .second = median_of(runs, &RequestSpeed::second)};
}

}  // namespace vila::cli
