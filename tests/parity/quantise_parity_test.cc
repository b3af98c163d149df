// SPDX-License-Identifier: Apache-2.0
// The quantiser against recorded results of llm-awq and AutoAWQ.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "quantize/verify.h"
#include "support/temporary_folder.h"

namespace vila::quantize {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = fs::path(VILA_SOURCE_DIR) / "../shared/conformance/awq";

/// A recorded case and how many things it has at least to compare.
struct AwqCase {
  const char* name;
  size_t rows;
};

class AwqParity : public testing::TestWithParam<AwqCase> {};

TEST_P(AwqParity, EverythingEqualsTheReference) {
  const fs::path folder = kCases / GetParam().name;
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  ASSERT_TRUE(is_quantisation_case(folder));
  const auto rows = verify_quantisation(folder, {.threads = 2});
  EXPECT_GE(rows.size(), GetParam().rows);
  for (const engine::VerifyRow& row : rows) {
    EXPECT_TRUE(row.is_passed) << row.name << ": max abs " << row.max_abs << ", relative "
                               << row.relative << " " << row.note;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AwqParity,
                         testing::Values(AwqCase{"search", 100}, AwqCase{"pack", 200},
                                         AwqCase{"file", 3}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(AwqParity, ADamagedRecordingFailsWhereItIsDamaged) {
  if (!fs::exists(kCases / "search"))
    GTEST_SKIP() << kCases / "search"
                 << " is absent";
  const test::TemporaryFolder folder;
  fs::copy(kCases / "search", folder.path(), fs::copy_options::recursive);
  std::vector<formats::NamedTensor> tensors;
  for (const auto& [name, tensor] :
       formats::read_safetensors(kCases / "search/search.safetensors").tensors) {
    tensors.push_back({name, tensor.to(tensor.dtype())});
    if (name == "scale.model.layers.1.mlp.up_proj.losses")
      tensors.back().tensor.data<double>()[4] *= 1.01;
    if (name == "scale.model.layers.0.self_attn.v_proj.x_mean")
      tensors.back().tensor.data<float>()[9] *= 1.0001F;
  }
  fs::permissions(folder.path(), fs::perms::owner_all);
  fs::remove(folder / "search.safetensors");
  formats::write_safetensors(folder / "search.safetensors", tensors);
  std::vector<std::string> failed;
  for (const engine::VerifyRow& row : verify_search(folder.path(), {.threads = 2})) {
    if (!row.is_passed) failed.push_back(row.name);
  }
  EXPECT_EQ(failed, (std::vector<std::string>{"scale.model.layers.0.self_attn.v_proj.x_mean",
                                              "scale.model.layers.1.mlp.up_proj.losses"}));
}

}  // namespace
}  // namespace vila::quantize
