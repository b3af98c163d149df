// SPDX-License-Identifier: Apache-2.0
// What the engine does not compute again, and what it computes ahead: kept keys and values,
// shared beginnings of a batch, guessed tokens. Each is held to the plain way.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"

namespace vila::engine {
namespace {

Engine load(const LoadOptions& options) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path(), {.config = test::tiny_config()});
  return Engine::load(folder.path(), options);
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

/// A conversation about one picture: each turn repeats all before it.
struct Conversation {
  std::string prompt = "USER: <image>\nWhat is this? ASSISTANT:";
  std::vector<std::shared_ptr<const media::Image>> images = {coloured_image(200)};

  Request request(int64_t max_tokens = 12) const {
    Request request = greedy_request(prompt, max_tokens);
    request.images = images;
    request.options.logprobs = 0;
    return request;
  }

  void go_on(const std::string& answer, const std::string& question) {
    prompt += answer + "</s>USER: " + question + " ASSISTANT:";
  }
};

int64_t prefilled(const Result& result) {
  return result.usage.prompt_tokens - result.usage.cached_tokens;
}

void expect_same_answer(const Result& actual, const Result& expected) {
  EXPECT_EQ(actual.token_ids, expected.token_ids);
  EXPECT_EQ(actual.text, expected.text);
  EXPECT_EQ(actual.finish_reason, expected.finish_reason);
  EXPECT_EQ(actual.usage.prompt_tokens, expected.usage.prompt_tokens);
  ASSERT_EQ(actual.logprobs.size(), expected.logprobs.size());
  for (size_t i = 0; i < actual.logprobs.size(); ++i)
    EXPECT_NEAR(actual.logprobs[i].logprob, expected.logprobs[i].logprob, 1e-4);
}

class KeptAnswers : public testing::TestWithParam<DType> {
 protected:
  Engine keeping_ = load({.threads = 2, .kv = GetParam(), .kept_tokens = 200});
  Engine fresh_ = load({.threads = 2, .kv = GetParam()});
};

TEST_P(KeptAnswers, PrefillOnlyWhatIsNewAndAnswerAsAFreshPrefill) {
  Conversation talk;
  const Result first = keeping_.generate(talk.request());
  EXPECT_EQ(first.usage.cached_tokens, 0);
  for (const char* question : {"And its colour?", "Really?"}) {
    const auto before = static_cast<int64_t>(
        keeping_.tokenizer().encode(talk.prompt).size());  // about: "<image>" is a few tokens
    talk.go_on("yes", question);
    const Result next = keeping_.generate(talk.request());
    expect_same_answer(next, fresh_.generate(talk.request()));
    EXPECT_GT(next.usage.cached_tokens, before / 2);
    EXPECT_GE(next.usage.cached_tokens, first.usage.prompt_tokens);
    // What is new: the answer as it was put into the prompt, and the question.
    const auto added = static_cast<int64_t>(
        keeping_.tokenizer().encode(std::string("yes</s>USER:  ASSISTANT:") + question).size());
    EXPECT_LE(prefilled(next), added + 2);
  }
}

TEST_P(KeptAnswers, FindTheirOwnAnswerAgain) {
  Conversation talk;
  const Result first = keeping_.generate(talk.request(30));
  // The tokens of the answer, run on: the same request with a longer answer begins the same.
  const Result again = keeping_.generate(talk.request(40));
  EXPECT_EQ(prefilled(again), 1);  // the last row gives the logits of the first token
  expect_same_answer(again, fresh_.generate(talk.request(40)));
  EXPECT_TRUE(std::equal(first.token_ids.begin(), first.token_ids.end(), again.token_ids.begin()));
}

TEST_P(KeptAnswers, SeeAnotherPictureAndAnotherBeginning) {
  Conversation talk;
  keeping_.generate(talk.request());
  Conversation other;
  other.images = {coloured_image(10)};
  const Result seen = keeping_.generate(other.request());
  EXPECT_LT(seen.usage.cached_tokens, 12);  // "USER: " alone
  expect_same_answer(seen, fresh_.generate(other.request()));
  const Request text = greedy_request("Something else");
  EXPECT_EQ(keeping_.generate(text).token_ids, fresh_.generate(text).token_ids);
}

TEST_P(KeptAnswers, GrowBeyondTheReservedTokens) {
  Engine small = load({.threads = 2, .kv = GetParam(), .kept_tokens = 1});
  Conversation talk;
  small.generate(talk.request(3));
  talk.go_on("yes", "And its colour, its shape and its size?");
  const Result next = small.generate(talk.request(20));
  EXPECT_GT(next.usage.cached_tokens, 30);
  expect_same_answer(next, fresh_.generate(talk.request(20)));
}

TEST_P(KeptAnswers, SurviveAFailedRequest) {
  Conversation talk;
  keeping_.generate(talk.request());
  EXPECT_ANY_THROW(keeping_.generate(greedy_request("<image> <image>")));
  expect_same_answer(keeping_.generate(talk.request()), fresh_.generate(talk.request()));
}

INSTANTIATE_TEST_SUITE_P(EveryKvType, KeptAnswers,
                         testing::Values(DType::f32, DType::f16, DType::i8));

TEST(SharedBeginnings, OfABatchArePrefilledOnce) {
  Engine engine = load({.threads = 2});
  std::vector<Request> requests;
  const auto image = coloured_image(80);
  for (const char* question : {"What is it?", "What colour is it?", "Where is it?"}) {
    Request request = greedy_request(std::string("USER: <image>\n") + question, 9);
    request.images = {image};
    request.options.logprobs = 0;
    requests.push_back(std::move(request));
  }
  const std::vector<Engine::BatchResult> results = engine.generate_batch(requests);
  EXPECT_EQ(results[0].result->usage.cached_tokens, 0);
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(results[i].result) << results[i].error;
    if (i > 0) {  // at least the picture's rows
      EXPECT_GE(results[i].result->usage.cached_tokens, 16);
    }
    const Result alone = engine.generate(requests[i]);
    EXPECT_EQ(results[i].result->token_ids, alone.token_ids);
    for (size_t t = 0; t < alone.logprobs.size(); ++t)  // the same bits, not only the same tokens
      EXPECT_EQ(results[i].result->logprobs[t].logprob, alone.logprobs[t].logprob);
  }
}

/// A random model soon repeats itself when it is greedy: guesses come true.
TEST(Guesses, GiveTheSameAnswerBitByBit) {
  int64_t drafted = 0;
  for (const DType kv : {DType::f32, DType::f16, DType::i8}) {
    Engine engine = load({.threads = 2, .kv = kv});
    for (const double temperature : {0.0, 0.3}) {
      Request request = greedy_request("ab ab ab ab ab cd cd cd", 90);
      request.options.temperature = temperature;
      request.options.repeat_penalty = temperature > 0 ? 1.05 : 1.0;
      request.options.logprobs = 0;
      request.options.speculate = Speculate::off;
      const Result plain = engine.generate(request);
      EXPECT_EQ(plain.usage.drafted_tokens, 0);
      request.options.speculate = Speculate::lookup;
      const Result guessed = engine.generate(request);
      drafted += guessed.usage.drafted_tokens;
      if (temperature == 0) {
        EXPECT_GT(guessed.usage.accepted_tokens, 3);
      }
      expect_same_answer(guessed, plain);
      for (size_t t = 0; t < plain.logprobs.size(); ++t)
        EXPECT_EQ(guessed.logprobs[t].logprob, plain.logprobs[t].logprob) << t;
    }
  }
  EXPECT_GT(drafted, 30);
}

TEST(Guesses, EndWhereThePlainAnswerEnds) {
  Engine engine = load({.threads = 1});
  for (const int64_t max_tokens : {1, 2, 3, 29, 30, 31, 32, 33, 400}) {
    Request request = greedy_request("ab ab ab ab ab cd cd cd", max_tokens);
    request.options.speculate = Speculate::off;
    const Result plain = engine.generate(request);
    request.options.speculate = Speculate::lookup;
    const Result guessed = engine.generate(request);
    EXPECT_EQ(guessed.token_ids, plain.token_ids) << max_tokens;
    EXPECT_EQ(guessed.finish_reason, plain.finish_reason) << max_tokens;
  }
}

TEST(Guesses, StopAtStopStringsAndReaders) {
  Engine engine = load({.threads = 1});
  Request request = greedy_request("ab ab ab ab ab cd cd cd", 60);
  request.options.speculate = Speculate::lookup;
  const Result whole = engine.generate(request);
  ASSERT_GT(whole.text.size(), 20U);
  request.options.stop = {whole.text.substr(12, 5)};
  EXPECT_EQ(engine.generate(request).text,
            whole.text.substr(0, whole.text.find(request.options.stop[0])));
  request.options.stop.clear();
  const Result cut = engine.generate(request, [](std::string_view) { return false; });
  EXPECT_EQ(cut.finish_reason, "stop");
}

TEST(Guesses, WorkOnKeptAnswers) {
  Engine keeping = load({.threads = 2, .kept_tokens = 200});
  Engine fresh = load({.threads = 2});
  Conversation talk;
  Request request = talk.request(40);
  request.options.speculate = Speculate::lookup;
  keeping.generate(request);
  talk.go_on("yes", "And?");
  request.prompt = talk.prompt;
  const Result next = keeping.generate(request);
  request.options.speculate = Speculate::off;
  expect_same_answer(next, fresh.generate(request));
}

}  // namespace
}  // namespace vila::engine
