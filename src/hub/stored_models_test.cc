// SPDX-License-Identifier: Apache-2.0
#include "hub/stored_models.h"

#include <gtest/gtest.h>

#include "hub/file_lock.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;
using test::expect_error;

const std::string kOld(40, 'a');
const std::string kNew(40, 'b');

class Stored : public testing::Test {
 protected:
  void SetUp() override {
    folder_.write("models--o--n/blobs/shared", "12345");
    folder_.write("models--o--n/blobs/old", "123");
    folder_.write("models--o--n/blobs/new", "1234567");
    link(kOld, "config.json", "shared");
    link(kOld, "llm/model.safetensors", "old");
    link(kNew, "config.json", "shared");
    link(kNew, "llm/model.safetensors", "new");
    folder_.write("models--o--n/refs/main", kNew);
    folder_.write("models--o--n/refs/v1", kOld);
  }

  void link(const std::string& commit, const std::string& path, const std::string& blob) const {
    const fs::path repository = folder_ / "models--o--n";
    const fs::path place = repository / "snapshots" / commit / path;
    fs::create_directories(place.parent_path());
    fs::create_symlink((repository / "blobs" / blob).lexically_relative(place.parent_path()),
                       place);
  }

  bool has_blob(const std::string& name) const {
    return fs::exists(folder_ / "models--o--n/blobs" / name);
  }

  test::TemporaryFolder folder_;
};

TEST_F(Stored, ListsEachCommitWithItsNamesAndSize) {
  const auto models = stored_models(folder_.path());

  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].repository, "o/n");
  EXPECT_EQ(models[0].commit, kOld);
  EXPECT_EQ(models[0].revisions, std::vector<std::string>{"v1"});
  EXPECT_EQ(models[0].files, 2U);
  EXPECT_EQ(models[0].bytes, 8U);
  EXPECT_TRUE(models[0].is_whole);
  EXPECT_EQ(models[1].revisions, std::vector<std::string>{"main"});
  EXPECT_EQ(models[1].bytes, 12U);
}

TEST_F(Stored, ListsHalfDownloadsAndLostBlobs) {
  folder_.write("models--o--n/blobs/next.incomplete", "1234");
  folder_.write("models--o--half/blobs/x.incomplete", "12");
  fs::remove(folder_ / "models--o--n/blobs/old");

  const auto models = stored_models(folder_.path());

  ASSERT_EQ(models.size(), 3U);
  EXPECT_EQ(models[0].repository, "o/half");
  EXPECT_EQ(models[0].commit, "");
  EXPECT_EQ(models[0].partial_bytes, 2U);
  EXPECT_FALSE(models[0].is_whole);
  EXPECT_EQ(models[1].partial_bytes, 4U);
  EXPECT_FALSE(models[1].is_whole);
  EXPECT_TRUE(models[2].is_whole);
}

TEST_F(Stored, ListsNothingWhereThereIsNoCache) {
  EXPECT_TRUE(stored_models(folder_ / "absent").empty());
}

TEST_F(Stored, LosesOneCommitWithTheBlobsThatOnlyItUses) {
  const Removed removed = remove_model(folder_.path(), {"o/n", "v1"}, false);

  EXPECT_EQ(removed.commits, std::vector<std::string>{kOld});
  EXPECT_EQ(removed.bytes, 3U);
  EXPECT_TRUE(has_blob("shared"));
  EXPECT_TRUE(has_blob("new"));
  EXPECT_FALSE(has_blob("old"));
  EXPECT_FALSE(fs::exists(folder_ / "models--o--n/refs/v1"));
  EXPECT_EQ(stored_models(folder_.path()).size(), 1U);
}

TEST_F(Stored, LosesEverythingOfARepository) {
  const Removed removed = remove_model(folder_.path(), {"o/n"}, true);

  EXPECT_EQ(removed.commits.size(), 2U);
  EXPECT_EQ(removed.bytes, 15U);
  EXPECT_FALSE(fs::exists(folder_ / "models--o--n"));
}

TEST_F(Stored, SaysWhatIsThereInstead) {
  expect_error(ErrorCode::not_found, "main, v1", [&] {
    remove_model(folder_.path(), {"o/n", "v2"}, false);
  });
  expect_error(ErrorCode::not_found, "nothing of it",
               [&] { remove_model(folder_.path(), {"o/other"}, true); });
}

TEST_F(Stored, StaysWhileADownloadRuns) {
  const auto lock = FileLock::try_take(folder_ / ".locks/models--o--n/new.lock");
  ASSERT_TRUE(lock);

  expect_error(ErrorCode::failed, "running", [&] { remove_model(folder_.path(), {"o/n"}, true); });
  EXPECT_TRUE(has_blob("new"));
}

}  // namespace
}  // namespace vila::hub
