// SPDX-License-Identifier: Apache-2.0
#include "hub/listing.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace vila::hub {
namespace {

using test::expect_error;

std::string listing_of(const std::string& siblings) {
  return R"({"sha": ")" + std::string(40, 'a') + R"(", "siblings": )" + siblings + "}";
}

TEST(Listing, HasSizesAndChecksumsOfSmallAndLargeFiles) {
  const Listing listing =
      read_listing(listing_of(R"([{"rfilename": "config.json", "size": 7, "blobId": "0123"},
                     {"rfilename": "llm/model.safetensors", "size": 130, "blobId": "4567",
                      "lfs": {"sha256": "89ab", "size": 5000000000, "pointerSize": 130}},
                     {"rfilename": "bare.json"}])"),
                   "url");

  EXPECT_EQ(listing.commit, std::string(40, 'a'));
  ASSERT_EQ(listing.files.size(), 3U);
  EXPECT_EQ(listing.files[0].path, "config.json");
  EXPECT_EQ(listing.files[0].size, 7U);
  EXPECT_EQ(listing.files[0].etag, "0123");
  EXPECT_EQ(listing.files[1].size, 5'000'000'000U);
  EXPECT_EQ(listing.files[1].etag, "89ab");
  EXPECT_FALSE(listing.files[2].size);
  EXPECT_EQ(listing.files[2].etag, "");
}

TEST(Listing, IsRefusedWhenItIsNone) {
  for (const std::string text :
       {"", "<html>", "[]", "{}", R"({"sha": "main", "siblings": []})", R"({"sha": 1})"})
    expect_error(ErrorCode::network, "url", [&] { read_listing(text, "url"); });
  expect_error(ErrorCode::network, "siblings", [&] { read_listing(listing_of("7"), "url"); });
}

TEST(Listing, IsRefusedWhenAFileWouldLeaveItsFolder) {
  for (const char* path :
       {"../x", "/etc/passwd", "a/../../x", "a//b", "", "./x", "a\\\\b", "a\\u0000b", "a\\nb"}) {
    SCOPED_TRACE(path);
    expect_error(ErrorCode::network, "inside the repository", [&] {
      read_listing(listing_of(R"([{"rfilename": ")" + std::string(path) + R"("}])"), "url");
    });
  }
  for (const char* etag : {"../x", ".hidden", "a/b", ""}) {
    SCOPED_TRACE(etag);
    expect_error(ErrorCode::network, "checksum", [&] {
      read_listing(listing_of(R"([{"rfilename": "x", "blobId": ")" + std::string(etag) + R"("}])"),
                   "url");
    });
  }
}

}  // namespace
}  // namespace vila::hub
