// SPDX-License-Identifier: Apache-2.0
#include "formats/hub_cache.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "support/temporary_folder.h"

namespace vila::formats {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'a');
const std::string kOtherCommit(40, 'b');

TEST(HubId, IsAnOrganisationANameAndARevision) {
  const auto plain = parse_hub_id("Efficient-Large-Model/VILA1.5-3b");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->repository, "Efficient-Large-Model/VILA1.5-3b");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(plain->text(), "Efficient-Large-Model/VILA1.5-3b");

  const auto pinned = parse_hub_id("a/b@refs/pr/7");
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->revision, "refs/pr/7");
  EXPECT_EQ(pinned->text(), "a/b@refs/pr/7");
}

TEST(HubId, IsNothingThatCouldLeaveTheCache) {
  for (const char* text :
       {"", "nano", "a/", "/b", "a/b/c", "../b", "a/..", "a/b@", "a/b@../../x", "a/b@/x", "a/b@x/",
        "a b/c", "a/b--c", ".a/b", "-a/b", "a/b@-x", "a/b@x\ny", "a\\b/c", "/home/me/model"}) {
    EXPECT_FALSE(parse_hub_id(text)) << text;
  }
  EXPECT_FALSE(parse_hub_id("a/" + std::string(97, 'b')));
}

class Cache : public testing::Test {
 protected:
  void pull(const std::string& revision, const std::string& commit) {
    fs::create_directories(cache_.snapshot_of_commit(id_, commit));
    if (!revision.empty()) folder_.write("models--o--n/refs/" + revision, commit);
  }

  test::TemporaryFolder folder_;
  HubCache cache_{folder_.path()};
  HubId id_{.repository = "o/n"};
};

TEST_F(Cache, FindsTheSnapshotOfABranchAndOfACommit) {
  pull("main", kCommit);

  EXPECT_EQ(cache_.snapshot(id_), folder_ / "models--o--n/snapshots" / kCommit);
  EXPECT_EQ(cache_.snapshot({"o/n", kCommit}), cache_.snapshot(id_));
  EXPECT_FALSE(cache_.snapshot({"o/n", kOtherCommit}));
  EXPECT_FALSE(cache_.snapshot({"o/n", "v1"}));
  EXPECT_FALSE(cache_.snapshot({"o/other", "main"}));
}

TEST_F(Cache, TakesNoRefThatIsNotACommit) {
  pull("main", kCommit);
  folder_.write("models--o--n/refs/main", "../../../etc");

  EXPECT_FALSE(cache_.snapshot(id_));
}

TEST_F(Cache, ListsBranchesTagsAndBareCommits) {
  pull("main", kCommit);
  pull("refs/pr/1", kCommit);
  pull("", kOtherCommit);
  folder_.write("models--o--n/refs/gone", std::string(40, 'c'));

  EXPECT_EQ(cache_.revisions(id_), (std::vector<std::string>{kOtherCommit, "main", "refs/pr/1"}));
  EXPECT_TRUE(cache_.revisions({"o/other"}).empty());
}

TEST_F(Cache, IsFoundAroundASnapshot) {
  const auto around = hub_cache_around(cache_.snapshot_of_commit(id_, kCommit));
  ASSERT_TRUE(around);
  EXPECT_EQ(around->root(), folder_.path());
  EXPECT_TRUE(hub_cache_around(cache_.snapshot_of_commit(id_, kCommit) / ""));

  EXPECT_FALSE(hub_cache_around(folder_.path()));
  EXPECT_FALSE(hub_cache_around(cache_.snapshot_of_commit(id_, "short")));
}

TEST(HubFolder, NamesItsRepository) {
  ASSERT_TRUE(hub_id_of_folder("models--o--n"));
  EXPECT_EQ(hub_id_of_folder("models--o--n")->repository, "o/n");
  for (const char* name :
       {"datasets--o--n", "models--n", "models--a--b--c", "models----", ".locks"})
    EXPECT_FALSE(hub_id_of_folder(name)) << name;
}

}  // namespace
}  // namespace vila::formats
