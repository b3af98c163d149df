// SPDX-License-Identifier: Apache-2.0
#include "formats/model_source.h"

#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

TEST(FolderKind, IsToldByTheFiles) {
  const test::TemporaryFolder folder;
  folder.write("lora/adapter_config.json", "{}");
  folder.write("lora/model.safetensors", "");
  folder.write("stage1/mm_projector.bin", "");
  folder.write("stage1/config.json", "{}");
  folder.write("flat/mm_projector.bin", "");
  folder.write("flat/pytorch_model.bin", "");
  folder.write("awq/mm_projector.bin", "");
  folder.write("awq/vila-w4-g128-awq-v2.pt", "");

  EXPECT_EQ(folder_kind(folder / "lora"), FolderKind::lora);
  EXPECT_EQ(folder_kind(folder / "stage1"), FolderKind::projector);
  EXPECT_EQ(folder_kind(folder / "flat"), FolderKind::whole);
  EXPECT_EQ(folder_kind(folder / "awq"), FolderKind::whole);
}

class NamedModel : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("hub/models--openai--clip/refs/main", commit_);
    folder_.write("hub/models--openai--clip/snapshots/" + commit_ + "/config.json", "{}");
    folder_.write("hub/models--o--vila/snapshots/" + commit_ + "/config.json", "{}");
    folder_.write("plain/config.json", "{}");
    folder_.write("plain/tower/config.json", "{}");
  }

  fs::path clip() const { return folder_ / "hub/models--openai--clip/snapshots" / commit_; }

  test::TemporaryFolder folder_;
  std::string commit_ = std::string(40, 'a');
};

TEST_F(NamedModel, IsAFolderNearIt) {
  const ModelSource source(folder_ / "plain");

  EXPECT_EQ(find_named_model(source, source.folder, "tower"), folder_ / "plain/tower");
  EXPECT_EQ(find_named_model(source, source.folder, (folder_ / "plain").string()),
            folder_ / "plain");
  EXPECT_FALSE(find_named_model(source, source.folder, "openai/clip"));
  EXPECT_FALSE(find_named_model(source, source.folder, ""));
}

TEST_F(NamedModel, IsFoundInTheCacheThatIsGiven) {
  ModelSource source(folder_ / "plain");
  source.hub_cache = folder_ / "hub";

  EXPECT_EQ(find_named_model(source, source.folder, "openai/clip"), clip());
  EXPECT_FALSE(find_named_model(source, source.folder, "openai/absent"));
}

TEST_F(NamedModel, IsFoundInTheCacheAroundASnapshot) {
  const ModelSource source(folder_ / "hub/models--o--vila/snapshots" / commit_);

  EXPECT_EQ(find_named_model(source, source.folder, "openai/clip"), clip());
}

}  // namespace
}  // namespace vila::formats
