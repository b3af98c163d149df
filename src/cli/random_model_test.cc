// SPDX-License-Identifier: Apache-2.0
#include "cli/random_model.h"

#include <gtest/gtest.h>

#include "cli/bench_work.h"
#include "cli/self_test.h"
#include "engine/engine.h"
#include "kernels/select.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace vila::cli {
namespace {

/// The tiny model with rows wide enough for groups of 128.
spec::VilaConfig small_config() {
  spec::VilaConfig config = test::tiny_config();
  config.llm.hidden_size = 128;
  config.llm.head_dim = 32;
  config.llm.intermediate_size = 256;
  return config;
}

engine::Engine small_engine() {
  ThreadPool pool(2);
  const spec::VilaConfig config = small_config();
  return engine::Engine(model::Vila(random_checkpoint(config, pool), config, pool),
                        byte_tokenizer(), {.threads = 2});
}

TEST(RandomModel, EveryNamedShapeIsAValidModelOfItsSize) {
  const std::vector<std::string> names = random_model_names();
  ASSERT_EQ(names.size(), 5U);
  for (const std::string& name : names)
    spec::validate(random_config(name), name);
  // 4 bits by 128 are 4.25 bits a weight; table and output matrix have 8.
  const double bytes = 32 * (4 * 2560.0 * 2560 + 3 * 2560.0 * 6912) * 4.25 / 8 + 2 * 32000 * 2560.0;
  const spec::VilaConfig config = random_config("vila-2.7b");
  const double tower = 1024.0 * 1024 * 12 * 23 + 1024 * 2560.0 + 2560 * 2560.0;
  EXPECT_NEAR(static_cast<double>(random_weight_bytes(config)), bytes + tower, 0.02 * bytes);
  test::expect_error(ErrorCode::invalid_argument, "vila-7b", [] { random_config("gpt"); });
}

TEST(RandomModel, TakesTheBytesThatWereForetoldAndIsPacked) {
  ThreadPool pool(2);
  const spec::VilaConfig config = small_config();
  const formats::Checkpoint checkpoint = random_checkpoint(config, pool);
  EXPECT_EQ(checkpoint.weight_bytes(), random_weight_bytes(config));
  EXPECT_EQ(checkpoint.quantised.at("model.layers.0.mlp.up_proj.weight").bits, 4);
  EXPECT_EQ(checkpoint.quantised.at("lm_head.weight").bits, 8);
  EXPECT_EQ(checkpoint.quantised.at("model.mm_projector.0.weight").bits, 8);
}

TEST(RandomModel, AnswersWithFiniteNumbersAboutPicturesToo) {
  engine::Engine engine = small_engine();
  engine::Request request{
      .prompt = "<image>abc", .images = {std::make_shared<media::Image>(40, 30)}, .options = {}};
  request.options.max_tokens = 4;
  request.options.ignore_eos = true;
  const engine::Result result = engine.generate(request);
  EXPECT_EQ(result.usage.completion_tokens, 4);
  EXPECT_EQ(result.usage.prompt_tokens, 1 + engine.config().tokens_per_image() + 3);
  EXPECT_TRUE(engine.model().is_decoder_packed());
  EXPECT_TRUE(engine.model().is_tower_packed());
}

TEST(BenchWork, CountsEveryByteAndProductOfATokenAndOfAPicture) {
  const engine::Engine engine = small_engine();
  const spec::DecoderConfig llm = engine.config().llm;
  const BenchWork work = bench_work(engine, media::Image(40, 30));
  const auto layer = static_cast<double>(2 * 128 * 128 + 2 * 64 * 128 + 3 * 128 * 256);
  EXPECT_EQ(work.operations_per_token, 2 * static_cast<double>(llm.num_hidden_layers) * layer);
  // 4 bits by 128: 4.25 bits a weight; norms in f32; the output matrix as the table in 8 bits.
  const double norms = 4 * 128 * (2 * static_cast<double>(llm.num_hidden_layers) + 1);
  const auto head = static_cast<double>(PackedMatrix::bytes(llm.vocab_size, 128, 128, 8));
  EXPECT_EQ(work.weight_bytes_per_token,
            static_cast<double>(llm.num_hidden_layers) * layer * 4.25 / 8 + norms + head);
  EXPECT_GT(work.bytes_per_token(10), work.bytes_per_token(0));
  EXPECT_GT(work.operations_per_picture, 0);
}

TEST(SelfTest, PassesOnEveryTableOfThisCpuAndFindsAKernelThatIsWrong) {
  for (const kernels::CpuKernels* table : kernels::all_kernels())
    EXPECT_EQ(self_test(*table), "") << table->isa;
  kernels::CpuKernels wrong = kernels::best_kernels();
  wrong.gemm_packed = [](const kernels::PackedGemmArgs& args) noexcept {
    for (int64_t m = args.row_begin; m < args.row_end; ++m) {
      for (int64_t n = args.column_begin; n < args.column_end; ++n)
        args.y[m * args.y_stride + n] = 1;
    }
  };
  EXPECT_NE(self_test(wrong).find("4 bit, int8: error"), std::string::npos);
}

}  // namespace
}  // namespace vila::cli
