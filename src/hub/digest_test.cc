// SPDX-License-Identifier: Apache-2.0
#include "hub/digest.h"

#include <gtest/gtest.h>

namespace vila::hub {
namespace {

// Of `printf 'abc' | sha256sum` and `printf 'hello\n' | git hash-object --stdin`.
constexpr const char* kSha256OfAbc =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kGitIdOfHello = "ce013625030ba8dba906f756967f9e9ca394464a";

TEST(Digest, OfLargeFilesIsTheirSha256) {
  Digest digest(kSha256OfAbc, 3);
  digest.add(std::string_view("a"));
  digest.add(std::string_view("bc"));

  EXPECT_EQ(digest.finish(), kSha256OfAbc);
}

TEST(Digest, OfSmallFilesIsGitsIdOfABlob) {
  Digest digest(kGitIdOfHello, 6);
  digest.add(std::string_view("hello\n"));

  EXPECT_EQ(digest.finish(), kGitIdOfHello);
}

TEST(Digest, IsNotMadeForOtherEtags) {
  Digest digest("5d41402a-2", 5);
  digest.add(std::string_view("hello"));

  EXPECT_EQ(digest.finish(), "");
  EXPECT_FALSE(Digest::can_check(std::string(64, 'G')));
  EXPECT_FALSE(Digest::can_check(std::string(32, 'a')));
}

}  // namespace
}  // namespace vila::hub
