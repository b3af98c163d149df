// SPDX-License-Identifier: Apache-2.0
// A LoRA or DoRA adapter beside packed weights against the same adapter merged into their numbers.
#include "formats/adapter.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/random.h"
#include "model/vila.h"
#include "spec/parameters.h"
#include "support/machine.h"
#include "support/temporary_folder.h"
#include "support/tiny_checkpoint.h"
#include "tensor/compare.h"

namespace vila::model {
namespace {

constexpr int64_t kRank = 3;

Tensor random(const Shape& shape, uint64_t stream) {
  Random source(3, stream);
  Tensor tensor = Tensor::empty(DType::f32, shape);
  for (float& value : tensor.values<float>())
    value = static_cast<float>(source.normal() * 0.2);
  return tensor;
}

class AdapterBesidePacked : public testing::TestWithParam<bool> {
 protected:
  AdapterBesidePacked() : config_(test::tiny_language_config()) {
    config_.llm.has_qkv_bias = true;  // a bias must count once
  }

  /// All matrices in 8 bits, norms and biases in f32.
  formats::Checkpoint packed_base() const {
    formats::Checkpoint base;
    base.folder = "tiny";
    for (const auto& [name, tensor] : test::random_parameters({.config = config_})) {
      if (tensor.shape().rank() == 2) {
        base.quantised.emplace(name, formats::quantised(quantise_rows_8bit(tensor, tensor.dim(1))));
      } else {
        base.tensors.emplace(name, tensor);
      }
    }
    return base;
  }

  /// A change of every matrix, of the table of embeddings as well.
  void write_adapter(const formats::Checkpoint& base, bool is_dora) const {
    write_file(folder_ / "adapter_config.json", R"({"r": 3, "lora_alpha": 4})");
    std::vector<formats::NamedTensor> rows;
    uint64_t stream = 0;
    for (const auto& [weight, matrix] : base.quantised) {
      const std::string module = weight.substr(0, weight.rfind('.'));
      const std::string name = "base_model.model." + module;
      if (module == "model.embed_tokens") {
        rows.push_back({name + ".lora_embedding_A", random({kRank, matrix.out}, ++stream)});
        rows.push_back({name + ".lora_embedding_B", random({matrix.in, kRank}, ++stream)});
        continue;
      }
      rows.push_back({name + ".lora_A.weight", random({kRank, matrix.in}, ++stream)});
      rows.push_back({name + ".lora_B.weight", random({matrix.out, kRank}, ++stream)});
      if (is_dora)
        rows.push_back({name + ".lora_magnitude_vector", random({matrix.out}, ++stream)});
    }
    formats::write_safetensors(folder_ / "adapter_model.safetensors", rows);
  }

  formats::Checkpoint adapted(formats::Checkpoint base, formats::AdapterPlace place) const {
    formats::apply_adapter(folder_.path(), formats::FolderKind::lora, place,
                           {base.tensors, base.quantised, base.changes});
    return base;
  }

  Tensor logits(const formats::Checkpoint& checkpoint) const {
    test::Machine machine;
    machine.ctx.packed_activations = ops::PackedActivations::float32;
    const Vila vila(checkpoint, config_, machine.pool);
    const std::vector<int32_t> ids = {1, 7, 200, 31, 383, 7};
    KvCache cache(config_.llm, std::ssize(ids));
    const SequenceStep step{&cache, std::ssize(ids)};
    return vila.decode(machine.ctx, vila.embed(machine.ctx, ids), {&step, 1}, true).to(DType::f32);
  }

  spec::VilaConfig config_;
  test::TemporaryFolder folder_;
};

TEST_P(AdapterBesidePacked, ComputesWhatMergingIntoTheNumbersGives) {
  formats::Checkpoint base = packed_base();
  write_adapter(base, GetParam());
  const Tensor beside = logits(adapted(base, formats::AdapterPlace::beside_packed));
  const Tensor without = logits(base);
  formats::dequantise_all(base.quantised, base.tensors);
  base.quantised.clear();
  const Tensor merged = logits(adapted(base, formats::AdapterPlace::merged));

  EXPECT_LE(compare(beside, merged).relative(), 3e-5);
  EXPECT_GT(compare(without, merged).relative(), 0.05) << "a change that is too small to test";
}

TEST_P(AdapterBesidePacked, IsCountedAmongTheBytesOfTheModel) {
  const formats::Checkpoint base = packed_base();
  write_adapter(base, GetParam());
  const formats::Checkpoint changed = adapted(base, formats::AdapterPlace::beside_packed);
  int64_t bytes = 0;
  for (const auto& [module, change] : changed.changes)
    bytes += change.bytes();

  test::Machine machine;
  EXPECT_EQ(changed.weight_bytes(), base.weight_bytes() + bytes);
  EXPECT_EQ(Vila(changed, config_, machine.pool).weight_bytes(), changed.weight_bytes());
}

INSTANTIATE_TEST_SUITE_P(Kinds, AdapterBesidePacked, testing::Bool(),
                         [](const auto& row) { return row.param ? "Dora" : "Lora"; });

}  // namespace
}  // namespace vila::model
