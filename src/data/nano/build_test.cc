// SPDX-License-Identifier: Apache-2.0
#include "data/nano/build.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/file.h"
#include "data/nano/context.h"
#include "data/nano/easy_vqa.h"
#include "data/nano/instructions.h"
#include "data/nano/package.h"
#include "data/nano/test_packages.h"
#include "media/decode.h"
#include "support/expect_error.h"

namespace vila::data {
namespace {

namespace fs = std::filesystem;
using test::TemporaryFolder;

NanoOptions emoji_only(const TemporaryFolder& packages, const fs::path& out, int threads = 1) {
  NanoOptions options;
  options.out = out;
  options.emoji = packages.path();
  options.image_size = 24;
  options.threads = threads;
  options.only = {"emoji"};
  return options;
}

std::vector<std::string> built_files(const fs::path& folder) {
  std::vector<std::string> found;
  for (const fs::path& file : nano::files_below(folder, "")) {
    found.push_back(fs::relative(file, folder).generic_string() + "\n" + read_file(file));
  }
  return found;
}

TEST(NanoBuild, GivesTheSameBytesWithAnyNumberOfThreads) {
  const TemporaryFolder packages, one, two;
  nano::write_emoji_packages(packages);
  build_nano(emoji_only(packages, one.path(), 1), {});
  build_nano(emoji_only(packages, two.path(), 3), {});
  EXPECT_FALSE(built_files(one.path()).empty());
  EXPECT_EQ(built_files(one.path()), built_files(two.path()));
}

TEST(NanoBuild, SkipsASetThatIsCompleteAndBuildsItAgainForOtherOptions) {
  const TemporaryFolder packages, out;
  nano::write_emoji_packages(packages);
  NanoOptions options = emoji_only(packages, out.path());
  build_nano(options, {});
  fs::remove(out / "pairs/emoji.jsonl");
  build_nano(options, {});
  EXPECT_FALSE(fs::exists(out / "pairs/emoji.jsonl"));
  options.image_size = 32;
  build_nano(options, {});
  EXPECT_TRUE(fs::exists(out / "pairs/emoji.jsonl"));
}

TEST(NanoBuild, KeepsHeldOutConceptsAndTheTestStyleOutOfThePairs) {
  const TemporaryFolder packages, out;
  nano::write_emoji_packages(packages);
  build_nano(emoji_only(packages, out.path()), {});
  const auto names = nano::read_lines(out / "splits/held-out-concepts.txt");
  const std::set<std::string> held_out(names.begin(), names.end());
  EXPECT_EQ(held_out.size(), static_cast<size_t>(nano::kPackageConcepts / 4));
  const auto pairs = nano::read_pairs(out / "pairs/emoji.jsonl");
  EXPECT_FALSE(pairs.empty());
  for (const nano::Pair& pair : pairs) {
    EXPECT_FALSE(held_out.contains(pair.label)) << pair.label;
    EXPECT_NE(pair.vendor, "fxemoji");
    EXPECT_EQ(media::load_image(out / pair.image).width, 24);
  }
}

TEST(NanoBuild, RefusesUnknownSetsAndSizes) {
  const TemporaryFolder packages, out;
  NanoOptions options = emoji_only(packages, out.path());
  options.only = {"emojis"};
  test::expect_error(ErrorCode::invalid_argument, "known are: emoji",
                     [&] { build_nano(options, {}); });
  options.only = {};
  options.image_size = 4;
  test::expect_error(ErrorCode::invalid_argument, "16 to 1024", [&] { build_nano(options, {}); });
}

TEST(NanoBuild, NamesTheDebianPackageThatIsMissing) {
  const TemporaryFolder packages, out;
  nano::write_emoji_packages(packages);
  NanoOptions options = emoji_only(packages, out.path());
  options.debian_root = packages / "no-such-prefix";
  options.only = {"text"};
  test::expect_error(ErrorCode::not_found, "apt-get install wordnet-base",
                     [&] { build_nano(options, {}); });
  options.only = {"stamps"};
  test::expect_error(ErrorCode::not_found, "apt-get install tuxpaint-stamps-default",
                     [&] { build_nano(options, {}); });
}

TEST(NanoBuild, DrawsFlagsFromTheInstalledPackages) {
  if (!fs::exists("/usr/share/iso-flags-png-320x240") ||
      !fs::exists("/usr/share/iso-codes/json/iso_3166-1.json")) {
    GTEST_SKIP() << "needs the Debian packages iso-flags-png-320x240 and iso-codes";
  }
  const TemporaryFolder packages, out;
  NanoOptions options = emoji_only(packages, out.path());
  options.only = {"flags"};
  build_nano(options, {});
  const auto pairs = nano::read_pairs(out / "pairs/flags.jsonl");
  EXPECT_TRUE(std::any_of(pairs.begin(), pairs.end(),
                          [](const nano::Pair& pair) { return pair.label == "flag of Germany"; }));
}

TEST(NanoPair, SurvivesItsLine) {
  const TemporaryFolder folder;
  nano::Pair pair{"id", "images/a.png", "a \"quoted\" text", "thing", "noto", "Group", "food"};
  const auto pairs = nano::read_pairs(folder.write("a.jsonl", pair.to_line() + "\n"));
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].to_line(), pair.to_line());
  EXPECT_EQ(pairs[0].text, pair.text);
}

TEST(NanoEasyVqa, ReadsTheQuestionsAndNamesThePackage) {
  const TemporaryFolder folder;
  folder.write("data/train/questions.json", R"([["is there a circle?","yes",3]])");
  const auto questions = nano::read_easy_vqa(folder.path(), "train");
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].question, "is there a circle?");
  EXPECT_EQ(questions[0].image, 3);
  test::expect_error(ErrorCode::not_found, "pip install easy-vqa",
                     [&] { nano::read_easy_vqa(folder.path(), "test"); });
}

TEST(NanoInstructions, UseTheWordingOfTheBars) {
  EXPECT_EQ(nano::which_of_two("cat"), "Which one shows a cat, the first or the second?");
  EXPECT_EQ(nano::place_answer(1), "The second.");
  EXPECT_EQ(nano::kNamingQuestion, "What is this?");
}

TEST(NanoPackage, TellsVendorsOfOneBeginningApart) {
  const TemporaryFolder folder;
  folder.write("iconify-json-noto-v1/icons.json", "v1");
  folder.write("iconify-json-noto/package/icons.json", "plain");
  EXPECT_EQ(nano::read_npm_member(folder.path(), "@iconify-json/noto", "icons.json"), "plain");
  EXPECT_EQ(nano::read_npm_member(folder.path(), "@iconify-json/noto-v1", "icons.json"), "v1");
  test::expect_error(ErrorCode::not_found, "npm pack @iconify-json/openmoji", [&] {
    nano::read_npm_member(folder.path(), "@iconify-json/openmoji", "icons.json");
  });
}

}  // namespace
}  // namespace vila::data
