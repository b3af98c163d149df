// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/utf8.h"
#include "engine/sampler.h"
#include "model/vila.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"

namespace vila::engine {
namespace {

Engine load_engine(const spec::VilaConfig& config, const LoadOptions& options = {.threads = 2}) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path(), {.config = config});
  return Engine::load(folder.path(), options);
}

Engine& tiny_engine() {
  static Engine engine = load_engine(test::tiny_config());
  return engine;
}

std::shared_ptr<const media::Image> coloured_image(uint8_t red) {
  return std::make_shared<const media::Image>(40, 30, std::array<uint8_t, 3>{red, 100, 50});
}

Request greedy_request(const std::string& prompt, int64_t max_tokens = 12) {
  Request request;
  request.prompt = prompt;
  request.options.temperature = 0;
  request.options.max_tokens = max_tokens;
  return request;
}

std::string error_of(Engine& engine, const Request& request) {
  try {
    engine.generate(request);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no error";
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Engine, AnswersAndCountsTokens) {
  Request request = greedy_request("USER: <image>\nWhat is this? ASSISTANT:");
  request.images = {coloured_image(200)};
  const Result result = tiny_engine().generate(request);
  EXPECT_EQ(result.token_ids.size(), 12U);
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_EQ(result.usage.completion_tokens, 12);
  EXPECT_EQ(result.usage.image_tokens, 16);
  EXPECT_GT(result.usage.prompt_tokens, 16 + 10);
  EXPECT_EQ(result.text, replace_invalid_utf8(tiny_engine().tokenizer().decode(result.token_ids)));
  EXPECT_GT(result.timings.vision, 0);
  EXPECT_GT(result.timings.prefill, 0);
  EXPECT_GT(result.timings.decode, 0);
}

TEST(Engine, StreamsThePiecesOfTheText) {
  Request request = greedy_request("The first picture", 40);
  std::string streamed;
  int64_t pieces = 0;
  const Result result = tiny_engine().generate(request, [&](std::string_view piece) {
    EXPECT_TRUE(is_valid_utf8(piece));
    streamed += piece;
    ++pieces;
    return true;
  });
  EXPECT_EQ(streamed, result.text);
  EXPECT_GT(pieces, 3);
}

TEST(Engine, StopsWhenTheReaderHasEnough) {
  const Request request = greedy_request("The first picture", 40);
  const Result result = tiny_engine().generate(request, [](std::string_view) { return false; });
  EXPECT_EQ(result.finish_reason, "stop");
  EXPECT_LT(result.token_ids.size(), 40U);
}

TEST(Engine, SeesThePicture) {
  Request request = greedy_request("<image> What is this?");
  request.options.logprobs = 0;
  request.images = {coloured_image(0)};
  const double dark = tiny_engine().generate(request).logprobs.front().logprob;
  request.images = {coloured_image(255)};
  EXPECT_NE(tiny_engine().generate(request).logprobs.front().logprob, dark);
}

TEST(Engine, GivesTheSameTextForAnyThreadCount) {
  Request request = greedy_request("<image> What is this?", 30);
  request.images = {coloured_image(90)};
  request.options.temperature = 0.8;
  request.options.seed = 5;
  Engine one = load_engine(test::tiny_config(), {.threads = 1});
  Engine three = load_engine(test::tiny_config(), {.threads = 3});
  const Result expected = one.generate(request);
  EXPECT_EQ(three.generate(request).token_ids, expected.token_ids);
  EXPECT_EQ(one.generate(request).token_ids, expected.token_ids);
  request.options.seed = 6;
  EXPECT_NE(one.generate(request).token_ids, expected.token_ids);
}

TEST(Engine, AnswersABatchAsEachRequestAlone) {
  std::vector<Request> requests;
  const auto shared = coloured_image(10);
  for (int i = 0; i < 20; ++i) {  // more than run at once
    Request request = greedy_request("Picture " + std::string(static_cast<size_t>(i), 'x'), 3 + i);
    if (i % 3 == 0) {
      request.prompt += "<image> and <image>";
      request.images = {shared, coloured_image(static_cast<uint8_t>(i))};
    }
    if (i % 4 == 1) {
      request.options.temperature = 1;
      request.options.seed = static_cast<uint64_t>(i);
    }
    requests.push_back(std::move(request));
  }
  requests[7].prompt += "<image>";  // without a picture

  const std::vector<Engine::BatchResult> results = tiny_engine().generate_batch(requests);

  ASSERT_EQ(results.size(), requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i == 7) {
      EXPECT_FALSE(results[i].result.has_value());
      EXPECT_EQ(results[i].error, error_of(tiny_engine(), requests[i]));
      continue;
    }
    ASSERT_TRUE(results[i].result.has_value()) << results[i].error;
    const Result alone = tiny_engine().generate(requests[i]);
    EXPECT_EQ(results[i].result->token_ids, alone.token_ids) << i;
    EXPECT_EQ(results[i].result->text, alone.text) << i;
    EXPECT_EQ(results[i].result->finish_reason, alone.finish_reason) << i;
  }
}

TEST(Engine, EncodesAPictureOnce) {
  int64_t encoded = 0;
  Engine engine = load_engine(test::tiny_config());
  engine.context().observer = [&](std::string_view name, const Tensor& tensor) {
    if (name == "projector_output") encoded += tensor.dim(0);
  };
  Request request = greedy_request("<image> <image> <image>", 2);
  const auto first = coloured_image(1);
  request.images = {first, coloured_image(2), first};
  engine.generate(request);
  EXPECT_EQ(encoded, 2);
  engine.generate(request);
  EXPECT_EQ(encoded, 2);
  request.images[1] = coloured_image(2);
  engine.generate(request);
  EXPECT_EQ(encoded, 3);
}

TEST(Engine, LeavesTheStopStringOutOfTheText) {
  const Request request = greedy_request("The first picture", 40);
  const Result whole = tiny_engine().generate(request);
  ASSERT_GT(whole.text.size(), 12U);
  Request stopped = request;
  stopped.options.stop = {whole.text.substr(6, 4)};
  std::string streamed;
  const Result result = tiny_engine().generate(stopped, [&](std::string_view piece) {
    streamed += piece;
    return true;
  });
  EXPECT_EQ(result.text, whole.text.substr(0, whole.text.find(stopped.options.stop[0])));
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(result.finish_reason, "stop");
}

TEST(Engine, EndsWhereTheContextEnds) {
  Request request = greedy_request(std::string(230, '7'), 512);
  const Result result = tiny_engine().generate(request);
  const int64_t context = tiny_engine().config().model_max_length;
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_EQ(result.usage.prompt_tokens + result.usage.completion_tokens, context + 1);
}

TEST(Engine, PrefillsALongPromptInChunksAsAtOnce) {
  spec::VilaConfig config = test::tiny_language_config();
  config.model_max_length = 1500;
  config.llm.max_position_embeddings = 1500;
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path(), {.config = config});
  Engine engine = Engine::load(folder.path(), {.threads = 2, .kv = DType::f32});
  Request request = greedy_request("", 1);
  for (int i = 0; i < 1300; ++i)
    request.prompt += static_cast<char>('0' + i * i % 10);
  request.options.logprobs = 0;

  const Result result = engine.generate(request);

  ASSERT_GT(result.usage.prompt_tokens, 1200);
  const std::vector<text::TokenId> ids = engine.tokenizer().encode(request.prompt);
  const model::Vila vila = model::Vila::load(folder.path());
  model::KvCache cache(config.llm, static_cast<int64_t>(ids.size()));
  const model::SequenceStep step{&cache, static_cast<int64_t>(ids.size())};
  engine.context().arena.reset();
  const Tensor logits =
      vila.decode(engine.context(), vila.embed(engine.context(), ids), {&step, 1});
  const TokenLogprob expected = token_logprob(logits.values<float>(), result.token_ids[0], 0);
  EXPECT_NEAR(result.logprobs[0].logprob, expected.logprob, 1e-5);
}

TEST(Engine, GivesNothingForNoTokens) {
  const Result result = tiny_engine().generate(greedy_request("USER:", 0));
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.finish_reason, "length");
  EXPECT_TRUE(result.token_ids.empty());
}

TEST(Engine, RefusesPromptsLongerThanTheContextGivingBothNumbers) {
  const std::string message = error_of(tiny_engine(), greedy_request(std::string(300, '7')));
  EXPECT_TRUE(mentions(message, "256")) << message;
  EXPECT_TRUE(mentions(message, "30")) << message;
}

TEST(Engine, RefusesPicturesThatDifferFromPlaceholdersGivingBothNumbers) {
  Request request = greedy_request("<image> <image>");
  request.images = {coloured_image(1)};
  const std::string message = error_of(tiny_engine(), request);
  EXPECT_TRUE(mentions(message, "2") && mentions(message, "1")) << message;
  request.images = {coloured_image(1), nullptr};
  EXPECT_TRUE(mentions(error_of(tiny_engine(), request), "null"));
}

TEST(Engine, RefusesOptionsOutOfRange) {
  Request request = greedy_request("USER:");
  request.options.top_p = 0;
  EXPECT_TRUE(mentions(error_of(tiny_engine(), request), "top_p"));
}

TEST(Engine, RunsAPlainLanguageModelButShowsItNoPictures) {
  Engine engine = load_engine(test::tiny_language_config());
  EXPECT_EQ(engine.generate(greedy_request("The first")).token_ids.size(), 12U);
  Request request = greedy_request("<image>");
  request.images = {coloured_image(1)};
  EXPECT_TRUE(mentions(error_of(engine, request), "no vision tower"));
}

TEST(Engine, ReportsLogprobsThatAddUpWithTheLosses) {
  Request request = greedy_request("The second one shows", 6);
  request.options.logprobs = 3;
  const Result result = tiny_engine().generate(request);
  ASSERT_EQ(result.logprobs.size(), result.token_ids.size());
  std::vector<text::TokenId> ids = tiny_engine().tokenizer().encode(request.prompt);
  const size_t prompt = ids.size();
  ids.insert(ids.end(), result.token_ids.begin(), result.token_ids.end());

  const std::vector<double> losses = tiny_engine().token_losses(ids);

  ASSERT_EQ(losses.size(), ids.size() - 1);
  for (size_t i = 0; i < result.logprobs.size(); ++i) {
    const TokenLogprob& token = result.logprobs[i];
    EXPECT_EQ(token.id, token.top.front().first);
    EXPECT_EQ(token.top.size(), 3U);
    EXPECT_NEAR(losses[prompt - 1 + i], -token.logprob, 1e-4);
  }
}

TEST(Engine, RefusesLossesBeyondContextOrVocabulary) {
  EXPECT_THROW(tiny_engine().token_losses(std::vector<text::TokenId>(257, 5)), Error);
  EXPECT_THROW(tiny_engine().token_losses(std::vector<text::TokenId>{1, 384}), Error);
  EXPECT_TRUE(tiny_engine().token_losses(std::vector<text::TokenId>{1}).empty());
}

TEST(Engine, RefusesAnUnknownIsa) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path(), {.config = test::tiny_config()});
  EXPECT_THROW(Engine::load(folder.path(), {.isa = "avx9000"}), Error);
  EXPECT_THROW(Engine::load(folder.path(), {.threads = -1}), Error);
}

TEST(Engine, SaysWhenTheWeightsGiveNoNumbers) {
  const test::TemporaryFolder folder;
  const test::TinyOptions options{.config = test::tiny_language_config()};
  test::write_tiny_checkpoint(folder.path(), options);
  std::vector<formats::NamedTensor> tensors = test::random_parameters(options);
  tensors.back().tensor.data<float>()[0] = NAN;  // lm_head
  formats::write_safetensors(folder.path() / "model.safetensors", tensors);
  Engine engine = Engine::load(folder.path(), {.threads = 1});
  const std::vector<Request> requests = {greedy_request("one"), greedy_request("two")};
  EXPECT_THROW(engine.generate(requests[0]), Error);
  for (const Engine::BatchResult& slot : engine.generate_batch(requests)) {
    EXPECT_TRUE(mentions(slot.error, "not finite")) << slot.error;
  }
}

TEST(Engine, GoesOnAfterAFailedRequest) {
  const Request good = greedy_request("The first");
  const Result before = tiny_engine().generate(good);
  EXPECT_NE(error_of(tiny_engine(), greedy_request("<image>")), "no error");
  EXPECT_EQ(tiny_engine().generate(good).token_ids, before.token_ids);
}

}  // namespace
}  // namespace vila::engine
