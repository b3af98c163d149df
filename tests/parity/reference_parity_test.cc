// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "engine/engine.h"
#include "engine/verify.h"
#include "formats/safetensors.h"
#include "media/decode.h"
#include "support/temporary_folder.h"

namespace vila::engine {
namespace {

namespace fs = std::filesystem;

class ReferenceParity : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(case_ / "expected.safetensors")) {
      GTEST_SKIP() << case_ << " is absent: recorded results of the reference are needed";
    }
  }

  const fs::path case_ = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference/vila-7b-tiny";
};

const fs::path kReference = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/reference";

/// A published layout, and how many recorded things there are at least to compare.
struct Published {
  const char* name;
  size_t rows;
};

class PublishedParity : public ::testing::TestWithParam<Published> {};

TEST_P(PublishedParity, EveryTensorAndTokenEqualsTheReference) {
  const fs::path folder = kReference / GetParam().name;
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const std::vector<VerifyRow> rows = verify_reference(folder, {.threads = 2});
  EXPECT_GE(rows.size(), GetParam().rows);
  for (const VerifyRow& row : rows) {
    EXPECT_TRUE(row.is_passed) << row.name << ": max abs " << row.max_abs << ", relative "
                               << row.relative << " " << row.note;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, PublishedParity,
    ::testing::Values(Published{"vila-7b-tiny", 40}, Published{"vila1.5-tiny", 40},
                      Published{"vila1.5-s2-tiny", 30}, Published{"vila1.5-internvit-tiny", 30},
                      Published{"nvila-tiny", 40}, Published{"nvila-lite-tiny", 40},
                      Published{"nvila-video-tiny", 40}),
    [](const auto& row) {
      std::string name = row.param.name;
      std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
      return name;
    });

TEST_F(ReferenceParity, EqualsItOnTheScalarKernelsAsWell) {
  for (const VerifyRow& row : verify_reference(case_, {.threads = 1, .isa = "scalar"})) {
    EXPECT_TRUE(row.is_passed) << row.name << ": max abs " << row.max_abs << " " << row.note;
  }
}

TEST_F(ReferenceParity, TheEngineGivesItsGreedyAnswersAloneAndInABatch) {
  const fs::path path = case_ / "inputs" / "prompt.json";
  const Json prompts = parse_json(read_file(path), path.string()).at("prompts");
  std::vector<Request> requests;
  for (const Json& prompt : prompts) {
    Request request;
    request.prompt = prompt.at("prompt").get<std::string>();
    for (const Json& image : prompt.at("images")) {
      request.images.push_back(std::make_shared<const media::Image>(
          media::load_image(case_ / image.get<std::string>())));
    }
    request.options.temperature = 0;
    request.options.max_tokens = 24;
    requests.push_back(std::move(request));
  }
  Engine engine = Engine::load(case_ / "checkpoint", {.threads = 2});

  const std::vector<Engine::BatchResult> batch = engine.generate_batch(requests);

  for (size_t i = 0; i < requests.size(); ++i) {
    const auto ids = prompts[i].at("greedy_ids").get<std::vector<text::TokenId>>();
    const Result alone = engine.generate(requests[i]);
    EXPECT_EQ(alone.token_ids, ids);
    EXPECT_EQ(alone.text, prompts[i].at("greedy_text").get<std::string>());
    EXPECT_EQ(alone.usage.prompt_tokens, prompts[i].at("sequence_length").get<int64_t>());
    ASSERT_TRUE(batch[i].result.has_value()) << batch[i].error;
    EXPECT_EQ(batch[i].result->token_ids, ids);
  }
}

TEST_F(ReferenceParity, ADamagedRecordingFailsWhereItIsDamaged) {
  const test::TemporaryFolder folder;
  fs::copy(case_, folder.path(), fs::copy_options::recursive);
  std::vector<formats::NamedTensor> tensors;
  for (const auto& [name, tensor] :
       formats::read_safetensors(case_ / "expected.safetensors").tensors) {
    tensors.push_back({name, tensor.to(tensor.dtype())});
    if (name == "interleaved.layer.0") tensors.back().tensor.data<float>()[7] += 0.01F;
    if (name == "text.greedy.top5_ids") tensors.back().tensor.data<int32_t>()[0] += 1;
  }
  tensors.push_back({"text.unknown", Tensor::zeros(DType::f32, {1})});
  formats::write_safetensors(folder.path() / "expected.safetensors", tensors);

  std::vector<std::string> failed;
  for (const VerifyRow& row : verify_reference(folder.path(), {.threads = 2})) {
    if (!row.is_passed) failed.push_back(row.name);
  }

  EXPECT_EQ(failed, (std::vector<std::string>{"interleaved.layer.0", "text.greedy.top5_ids",
                                              "text.unknown"}));
}

}  // namespace
}  // namespace vila::engine
