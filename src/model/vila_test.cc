// SPDX-License-Identifier: Apache-2.0
#include "model/vila.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/machine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/compare.h"

namespace vila::model {
namespace {

using test::Machine;

Vila load_tiny(const test::TinyOptions& options) {
  const test::TemporaryFolder folder;
  test::write_tiny_checkpoint(folder.path(), options);
  return Vila::load(folder.path());
}

const Vila& tiny_vila() {
  static const Vila vila = load_tiny({.config = test::tiny_config()});
  return vila;
}

Tensor random_pixels(int64_t pictures, uint64_t seed) {
  Random random(seed);
  Tensor pixels = Tensor::empty(DType::f32, {pictures, 3, 28, 28});
  for (float& value : pixels.values<float>())
    value = static_cast<float>(random.normal());
  return pixels;
}

// Pixels that a script can write as well: sin(0.1 * flat index).
Tensor wave_pixels() {
  Tensor pixels = Tensor::empty(DType::f32, {1, 3, 28, 28});
  for (int64_t i = 0; i < pixels.numel(); ++i) {
    pixels.data<float>()[i] = static_cast<float>(std::sin(0.1 * static_cast<double>(i)));
  }
  return pixels;
}

const std::vector<text::TokenId> kText = {1, 300, 45, 7, 383, 260, 17, 99, 300, 301, 5, 270};

// Logits of all rows, running `chunk` rows at a time.
Tensor logits_of(const Vila& vila, Machine& machine, std::span<const text::TokenId> ids,
                 int64_t chunk) {
  const auto count = static_cast<int64_t>(ids.size());
  KvCache cache(vila.config().llm, count);
  Tensor logits = Tensor::empty(DType::f32, {count, vila.config().llm.vocab_size});
  for (int64_t begin = 0; begin < count; begin += chunk) {
    machine.arena.reset();
    const int64_t rows = std::min(chunk, count - begin);
    const SequenceStep step{&cache, rows};
    const Tensor x =
        vila.embed(machine.ctx, ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)));
    const Tensor part = vila.decode(machine.ctx, x, {&step, 1}, true);
    std::copy_n(part.data<float>(), part.numel(), logits.rows(begin, begin + rows).data<float>());
  }
  return logits;
}

// Owning logits [1, V] after a prompt with one picture in the middle of kText.
Tensor logits_with_picture(const Vila& vila, Machine& machine, const Tensor& pixels) {
  machine.arena.reset();
  std::vector<text::TokenId> ids = kText;
  ids.insert(ids.begin() + 5, spec::kImageToken);
  const spec::Splice layout = spec::splice(ids, 1, vila.config().tokens_per_image(), 0);
  const Tensor rows = vila.encode_images(machine.ctx, pixels);
  const std::vector<Tensor> images = {rows.reshape({rows.dim(1), rows.dim(2)})};
  KvCache cache(vila.config().llm, layout.length);
  const SequenceStep step{&cache, layout.length};
  const Tensor x = vila.embed(machine.ctx, ids, layout, images);
  return vila.decode(machine.ctx, x, {&step, 1}).to(DType::f32);
}

TEST(Vila, KnowsItsConfigAndWeights) {
  const Vila& vila = tiny_vila();
  EXPECT_EQ(vila.config().tokens_per_image(), 16);
  size_t bytes = 0;
  for (const auto& item : test::random_parameters({.config = test::tiny_config()})) {
    bytes += item.tensor.nbytes();
  }
  EXPECT_EQ(vila.weight_bytes(), static_cast<int64_t>(bytes));
}

// Expected: transformers 4.46.3 in float64 on the files that write_tiny_checkpoint() writes:
// CLIPVisionModel(pixels).hidden_states[-2][:, 1:], torch Linear and GELU for the projector, and
// LlamaForCausalLM(inputs_embeds) with the picture's rows after the fifth token.
TEST(Vila, EqualsTransformersOnARandomCheckpoint) {
  Machine machine;
  const std::vector<float> expected_row = {1.36492F, 2.27063F, 3.02397F,
                                           5.36686F, 5.28777F, 1.70087F};
  const std::vector<float> expected_logits = {0.52669F,  1.93676F,  0.28033F,  0.96904F,
                                              -2.38746F, -0.89327F, -0.43082F, 0.90865F};

  const Tensor rows = tiny_vila().encode_images(machine.ctx, wave_pixels()).to(DType::f32);
  const Tensor logits = logits_with_picture(tiny_vila(), machine, wave_pixels());

  for (size_t i = 0; i < expected_row.size(); ++i) {
    EXPECT_NEAR(rows.values<float>()[3 * 48 + i], expected_row[i], 3e-5 * 7.8) << i;
  }
  for (size_t i = 0; i < expected_logits.size(); ++i) {
    EXPECT_NEAR(logits.values<float>()[i], expected_logits[i], 3e-5 * 3.4) << i;
  }
  const std::span<const float> all = logits.values<float>();
  EXPECT_EQ(std::max_element(all.begin(), all.end()) - all.begin(), 341);
}

TEST(Vila, PrefillInChunksEqualsPrefillAtOnce) {
  Machine machine;
  const Tensor whole = logits_of(tiny_vila(), machine, kText, 12);
  for (const int64_t chunk : {1, 2, 5, 11}) {
    const Difference difference = compare(logits_of(tiny_vila(), machine, kText, chunk), whole);
    EXPECT_LE(difference.relative(), 2e-6) << "in chunks of " << chunk;
  }
}

TEST(Vila, GivesTheSameBitsForAnyThreadCount) {
  Machine one(1);
  const Tensor pixels = random_pixels(1, 3);
  const Tensor expected = logits_with_picture(tiny_vila(), one, pixels);
  for (const int threads : {2, 3, 7}) {
    Machine machine(threads);
    EXPECT_EQ(compare(logits_with_picture(tiny_vila(), machine, pixels), expected).max_abs, 0);
  }
}

TEST(Vila, AgreesOnEveryIsa) {
  Machine scalar(2, "scalar");
  const Tensor pixels = random_pixels(1, 4);
  const Tensor expected = logits_with_picture(tiny_vila(), scalar, pixels);
  for (const kernels::CpuKernels* kernels : kernels::all_kernels()) {
    Machine machine(2, kernels->isa);
    const Tensor actual = logits_with_picture(tiny_vila(), machine, pixels);
    EXPECT_LE(compare(actual, expected).relative(), 1e-5) << kernels->isa;
  }
}

TEST(Vila, DecodesABatchAsEachSequenceAlone) {
  Machine machine;
  const Vila& vila = tiny_vila();
  const std::vector<std::vector<text::TokenId>> prompts = {
      {1, 20, 30}, {1, 301, 302, 303, 304, 305, 306}, {1}, {1, 9, 9, 9, 9}};
  const std::vector<text::TokenId> next = {40, 50, 60, 70};
  std::vector<KvCache> alone;
  std::vector<KvCache> together;
  std::vector<SequenceStep> steps;
  Tensor expected = Tensor::empty(DType::f32, {4, 384});
  for (size_t i = 0; i < prompts.size(); ++i) {
    machine.arena.reset();
    alone.emplace_back(vila.config().llm, 10);
    together.emplace_back(vila.config().llm, 10);
    const auto rows = static_cast<int64_t>(prompts[i].size());
    const SequenceStep prefill_alone{&alone.back(), rows};
    const SequenceStep prefill_together{&together.back(), rows};
    const Tensor x = vila.embed(machine.ctx, prompts[i]);
    vila.decode(machine.ctx, x, {&prefill_alone, 1});
    vila.decode(machine.ctx, x, {&prefill_together, 1});
    const SequenceStep step{&alone.back(), 1};
    const Tensor row = vila.decode(machine.ctx, vila.embed(machine.ctx, {&next[i], 1}), {&step, 1});
    std::copy_n(row.data<float>(), 384, expected.data<float>() + i * 384);
  }
  for (KvCache& cache : together)
    steps.push_back({&cache, 1});

  const Tensor actual = vila.decode(machine.ctx, vila.embed(machine.ctx, next), steps);

  EXPECT_EQ(compare(actual, expected).max_abs, 0);
}

TEST(Vila, PacksPromptsOfSeveralSequencesInOneStep) {
  Machine machine;
  const Vila& vila = tiny_vila();
  const std::span<const text::TokenId> ids = kText;
  const Tensor first = logits_of(vila, machine, ids.subspan(0, 7), 7);
  const Tensor second = logits_of(vila, machine, ids.subspan(7), 5);
  machine.arena.reset();
  KvCache a(vila.config().llm, 7);
  KvCache b(vila.config().llm, 5);
  const std::vector<SequenceStep> steps = {{&a, 7}, {&b, 5}};

  const Tensor logits = vila.decode(machine.ctx, vila.embed(machine.ctx, ids), steps);

  ASSERT_EQ(logits.shape(), (Shape{2, 384}));
  EXPECT_LE(compare(logits.rows(0, 1), first.rows(6, 7)).relative(), 2e-6);
  EXPECT_LE(compare(logits.rows(1, 2), second.rows(4, 5)).relative(), 2e-6);
}

TEST(Vila, EncodesPicturesTogetherAsOneByOne) {
  Machine machine;
  const Tensor pixels = random_pixels(3, 5);
  const Tensor together = tiny_vila().encode_images(machine.ctx, pixels);
  ASSERT_EQ(together.shape(), (Shape{3, 16, 48}));
  for (int64_t i = 0; i < 3; ++i) {
    const Tensor alone = tiny_vila().encode_images(machine.ctx, pixels.rows(i, i + 1));
    EXPECT_EQ(compare(together.rows(i, i + 1), alone).max_abs, 0);
  }
}

TEST(Vila, KeepsTheClassTokenForClsPatch) {
  spec::VilaConfig config = test::tiny_config();
  config.mm_vision_select_feature = "cls_patch";
  Machine machine;
  const Tensor pixels = random_pixels(2, 6);
  const Tensor with = load_tiny({.config = config}).encode_images(machine.ctx, pixels);
  const Tensor without = tiny_vila().encode_images(machine.ctx, pixels);
  ASSERT_EQ(with.shape(), (Shape{2, 17, 48}));
  for (int64_t i = 0; i < 2; ++i) {
    const Tensor rows = with.rows(i, i + 1).reshape({17, 48}).rows(1, 17);
    EXPECT_EQ(compare(rows, without.rows(i, i + 1).reshape({16, 48})).max_abs, 0);
  }
}

TEST(Vila, ComputesWithHalfWeightsAsWithTheirValuesInFloat) {
  Machine machine;
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const test::TemporaryFolder folder;
    const test::TinyOptions options{.config = test::tiny_config(), .dtype = dtype};
    test::write_tiny_checkpoint(folder.path(), options);
    const Tensor pixels = random_pixels(1, 7);
    const Tensor half = logits_with_picture(Vila::load(folder.path()), machine, pixels);
    std::vector<formats::NamedTensor> widened = test::random_parameters(options);
    for (formats::NamedTensor& item : widened)
      item.tensor = item.tensor.to(DType::f32);
    formats::write_safetensors(folder.path() / "model.safetensors", widened);
    const Tensor full = logits_with_picture(Vila::load(folder.path()), machine, pixels);
    EXPECT_LE(compare(half, full).relative(), 1e-6) << dtype_name(dtype);
  }
}

TEST(Vila, SharesTheTokenTableWithTheOutputWhenTied) {
  spec::VilaConfig config = test::tiny_language_config();
  config.llm.tie_word_embeddings = true;
  Machine machine;
  const Vila tied = load_tiny({.config = config});
  const Tensor logits = logits_of(tied, machine, kText, 12);
  EXPECT_EQ(logits.shape(), (Shape{12, 384}));
  EXPECT_FALSE(tied.config().has_vision());
}

TEST(Vila, ShowsEveryNamedTensorToTheObserver) {
  Machine machine;
  std::map<std::string, std::string> seen;
  machine.ctx.observer = [&](std::string_view name, const Tensor& tensor) {
    seen.emplace(name, tensor.shape().text());
  };
  logits_with_picture(tiny_vila(), machine, random_pixels(1, 8));
  std::map<std::string, std::string> expected = {{"vision.pixels", "[1, 3, 28, 28]"},
                                                 {"vision.embeddings", "[1, 17, 32]"},
                                                 {"vision.pre_layernorm", "[1, 17, 32]"},
                                                 {"vision.layer.0", "[1, 17, 32]"},
                                                 {"vision.layer.1", "[1, 17, 32]"},
                                                 {"vision.layer.2", "[1, 17, 32]"},
                                                 {"projector_input", "[1, 16, 32]"},
                                                 {"projector_output", "[1, 16, 48]"},
                                                 {"input_embeds", "[28, 48]"},
                                                 {"layer.0", "[28, 48]"},
                                                 {"layer.1", "[28, 48]"},
                                                 {"norm", "[28, 48]"},
                                                 {"logits", "[1, 384]"}};
  for (const char* layer : {"vision.layer.0", "vision.layer.1", "vision.layer.2"}) {
    expected.emplace(std::string(layer) + ".norm1", "[17, 32]");
    expected.emplace(std::string(layer) + ".norm2", "[17, 32]");
  }
  EXPECT_EQ(seen, expected);
}

TEST(Vila, NamesTheCheckpointThatLacksATensor) {
  const test::TemporaryFolder folder;
  const test::TinyOptions options{.config = test::tiny_config()};
  test::write_tiny_checkpoint(folder.path(), options);
  std::vector<formats::NamedTensor> tensors = test::random_parameters(options);
  std::erase_if(tensors, [](const auto& item) { return item.name == "model.norm.weight"; });
  formats::write_safetensors(folder.path() / "model.safetensors", tensors);
  try {
    Vila::load(folder.path());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    EXPECT_NE(error.message().find(folder.path().string()), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("model.norm.weight: missing"), std::string::npos);
  }
}

}  // namespace
}  // namespace vila::model
