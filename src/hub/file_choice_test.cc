// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "hub/listing.h"
#include "support/expect_error.h"

namespace vila::hub {
namespace {

using Paths = std::vector<std::string>;

Paths chosen(const Paths& paths, const Paths& patterns = {}) {
  std::vector<RemoteFile> files;
  for (const std::string& path : paths)
    files.push_back({path, 1, "0"});
  Paths kept;
  for (const RemoteFile& file : choose_files(files, patterns, "org/name"))
    kept.push_back(file.path);
  return kept;
}

TEST(ChooseFiles, KeepsConfigsTokenizersLicencesAndWeightsOfEveryPart) {
  const Paths all = {"LICENSE",
                     "config.json",
                     "llm/config.json",
                     "llm/merges.txt",
                     "llm/model-00001-of-00002.safetensors",
                     "llm/model.safetensors.index.json",
                     "llm/tokenizer.model",
                     "llm/vila-w4-g128-awq-v2.pt",
                     "mm_projector/model.safetensors",
                     "chat_template.jinja",
                     "non_lora_trainables.bin",
                     "mm_projector.bin"};

  EXPECT_EQ(chosen(all), all);
}

TEST(ChooseFiles, LeavesOutWhatOtherProgramsAndTrainingRunsNeed) {
  EXPECT_EQ(chosen({"config.json", ".gitattributes", "README.md", "demo.png", "modeling_vila.py",
                    "optimizer.pt", "rng_state_0.pth", "scheduler.pt", "trainer_state.json",
                    "training_args.bin", "global_step100/mp_rank_00.pt",
                    "checkpoint-500/model.safetensors", "onnx/model.bin", "flax_model.msgpack",
                    "original/consolidated.00.pth"}),
            Paths{"config.json"});
}

TEST(ChooseFiles, PrefersSafetensorsToTheSameWeightsOfTorch) {
  EXPECT_EQ(chosen({"model.safetensors", "pytorch_model.bin", "pytorch_model.bin.index.json",
                    "llm/pytorch_model-00001-of-00002.bin", "adapter_model.bin",
                    "adapter_model.safetensors", "vision_tower/pytorch_model.bin"}),
            (Paths{"model.safetensors", "llm/pytorch_model-00001-of-00002.bin",
                   "adapter_model.safetensors", "vision_tower/pytorch_model.bin"}));
}

TEST(ChooseFiles, TakesPatternsAtTheirWord) {
  EXPECT_EQ(chosen({"m-Q4_K_M.gguf", "m-Q8_0.gguf", "README.md"}, {"*Q4*", "README.md"}),
            (Paths{"m-Q4_K_M.gguf", "README.md"}));
  EXPECT_EQ(chosen({"llm/a.json", "b.json"}, {"llm/*"}), Paths{"llm/a.json"});
}

TEST(ChooseFiles, AsksWhichOfSeveralGgufFiles) {
  test::expect_error(ErrorCode::invalid_argument, "m-Q8_0.gguf", [] {
    chosen({"m-Q4_K_M.gguf", "m-Q8_0.gguf"});
  });
  EXPECT_EQ(chosen({"m-Q8_0.gguf", "mmproj-f16.gguf"}).size(), 2U);
}

TEST(ChooseFiles, SaysWhenNothingIsLeft) {
  test::expect_error(ErrorCode::invalid_argument, "of a model", [] { chosen({"README.md"}); });
  test::expect_error(ErrorCode::invalid_argument, "--include",
                     [] { chosen({"config.json"}, {"*.gguf"}); });
}

}  // namespace
}  // namespace vila::hub
