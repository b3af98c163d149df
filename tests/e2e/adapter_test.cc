// SPDX-License-Identifier: Apache-2.0
// Models that are only a difference to another one: LoRA adapters, projectors, deltas.
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "e2e/fixture.h"
#include "formats/safetensors.h"
#include "support/tiny_checkpoint.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

class AdapterFolder : public Program {
 protected:
  Tensor random(const Shape& shape, uint64_t stream) const {
    Random source(7, stream);
    Tensor tensor = Tensor::empty(DType::f32, shape);
    for (float& value : tensor.values<float>())
      value = static_cast<float>(source.normal());
    return tensor;
  }

  /// A LoRA adapter of the fixture's model with large random changes, in lora/.
  fs::path write_lora(const std::string& base) const { return write_lora(base, model()); }

  /// The same with the widths of `shapes`, a model folder.
  fs::path write_lora(const std::string& base, const fs::path& shapes) const {
    const fs::path folder = file("lora");
    fs::create_directories(folder);
    const Json config = {
        {"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 4}, {"base_model_name_or_path", base}};
    write_file(folder / "adapter_config.json", config.dump());
    const auto weights = formats::read_safetensors(shapes / "model.safetensors");
    std::vector<formats::NamedTensor> tensors;
    uint64_t stream = 0;
    for (const std::string module :
         {"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"}) {
      const Tensor& weight = weights.tensors.at(module + ".weight");
      const std::string name = "base_model.model." + module;
      tensors.push_back({name + ".lora_A.weight", random({2, weight.dim(1)}, ++stream)});
      tensors.push_back({name + ".lora_B.weight", random({weight.dim(0), 2}, ++stream)});
    }
    formats::write_safetensors(folder / "adapter_model.safetensors", tensors);
    return folder;
  }

  Json answer(const fs::path& path) const {
    return json_of(vila({"run", "-m", path.string(), "--json", "--max-tokens", "12", "--image",
                         file("a.png"), "What?"}))["token_ids"];
  }
};

TEST_F(AdapterFolder, AnswersAsTheModelThatConvertMakesOfIt) {
  const fs::path lora = write_lora("../model");
  const ProcessResult converted = vila({"convert", lora.string(), file("merged")});
  ASSERT_EQ(converted.exit_code, 0) << converted.error;

  EXPECT_EQ(answer(lora), answer(file("merged")));
  EXPECT_NE(answer(lora), answer(model()));
}

TEST_F(AdapterFolder, AnswersTheSameBesideItsBaseAsMergedIntoIt) {
  const fs::path lora = write_lora("../model");
  const auto answer_with = [&](const std::string& place) {
    return json_of(vila({"run", "-m", lora.string(), "--adapter", place, "--json", "--max-tokens",
                         "12", "--image", file("a.png"), "What?"}))["token_ids"];
  };

  EXPECT_EQ(answer_with("apart"), answer_with("merge"));
}

TEST_F(AdapterFolder, GoesBesideAPackedBaseAndIsNotMergedIntoIt) {
  spec::VilaConfig config = tiny_config();
  config.llm.hidden_size = 64;  // widths that groups of 32 divide
  config.llm.intermediate_size = 128;
  config.llm.head_dim = 16;
  write_tiny_checkpoint(file("wide"), {.config = config});
  const fs::path lora = write_lora("../wide", file("wide"));
  const std::string packed = file("packed.vila");
  const ProcessResult made =
      vila({"quantize", file("wide"), packed, "--method", "rtn", "--group", "32"});
  ASSERT_EQ(made.exit_code, 0) << made.error;
  const auto run = [&](std::vector<std::string> how) {
    std::vector<std::string> arguments = {"run", "--json", "--max-tokens", "12", "What?"};
    arguments.insert(arguments.end(), how.begin(), how.end());
    return vila(arguments);
  };

  const ProcessResult beside = run({"-m", lora.string(), "--base", packed});
  EXPECT_NE(json_of(beside)["token_ids"], json_of(run({"-m", packed}))["token_ids"]);
  const ProcessResult merged = run({"-m", lora.string(), "--base", packed, "--adapter", "merge"});
  EXPECT_EQ(merged.exit_code, 4);
  EXPECT_NE(merged.error.find("--adapter auto"), std::string::npos) << merged.error;
}

TEST_F(AdapterFolder, IsInspectedForWhatItIs) {
  const fs::path lora = write_lora("../model");

  const Json report = json_of(vila({"inspect", lora.string(), "--json"}));

  EXPECT_EQ(report["kind"], "LoRA adapter");
  EXPECT_EQ(report["base"], model().string());
}

TEST_F(AdapterFolder, NamesItsBaseWhereThatIsMissing) {
  const fs::path lora = write_lora("somewhere/else");

  const ProcessResult result = vila({"run", "-m", lora.string(), "What?"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_NE(result.error.find("\"somewhere/else\""), std::string::npos) << result.error;
  EXPECT_NE(result.error.find("--base"), std::string::npos) << result.error;

  const ProcessResult given =
      vila({"run", "-m", lora.string(), "--base", model().string(), "--max-tokens", "2", "What?"});
  EXPECT_EQ(given.exit_code, 0) << given.error;
}

TEST_F(AdapterFolder, OfDifferencesIsTheirSumWithTheBase) {
  const fs::path delta = file("delta");
  fs::copy(model(), delta, fs::copy_options::recursive);
  fs::remove(delta / "model.safetensors");
  std::vector<formats::NamedTensor> zeros;
  for (const auto& [name, tensor] :
       formats::read_safetensors(model() / "model.safetensors").tensors)
    zeros.push_back({name, Tensor::zeros(tensor.dtype(), tensor.shape())});
  formats::write_safetensors(delta / "model.safetensors", zeros);

  const ProcessResult alone = vila({"run", "-m", delta.string(), "What?"});
  EXPECT_EQ(alone.exit_code, 4);
  EXPECT_NE(alone.error.find("delta checkpoint"), std::string::npos) << alone.error;
  const ProcessResult made =
      vila({"convert", delta.string(), file("sum"), "--base", model().string()});
  ASSERT_EQ(made.exit_code, 0) << made.error;
  EXPECT_EQ(answer(file("sum")), answer(model()));
}

}  // namespace
}  // namespace vila::test
