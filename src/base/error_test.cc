// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

namespace vila {
namespace {

TEST(Error, CarriesCodeAndFormattedMessage) {
  try {
    fail(ErrorCode::invalid_model, "{}: expected {}, found {}", "file", 3, 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_model);
    EXPECT_STREQ(error.what(), "file: expected 3, found 4");
  }
}

TEST(Error, ContextsStandInFrontOfEachOther) {
  try {
    with_context("outer", [] { with_context("inner", [] { fail(ErrorCode::failed, "cause"); }); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "outer: inner: cause");
    EXPECT_EQ(error.code(), ErrorCode::failed);
  }
  EXPECT_EQ(with_context("unused", [] { return 7; }), 7);
}

TEST(Error, CodesHaveTheExitCodesOfTheCommandLine) {
  EXPECT_EQ(exit_code(ErrorCode::failed), 1);
  EXPECT_EQ(exit_code(ErrorCode::invalid_argument), 2);
  EXPECT_EQ(exit_code(ErrorCode::insufficient_memory), 3);
  EXPECT_EQ(exit_code(ErrorCode::insufficient_disk), 3);
  EXPECT_EQ(exit_code(ErrorCode::invalid_image), 4);
  EXPECT_EQ(exit_code(ErrorCode::not_found), 4);
  EXPECT_EQ(exit_code(ErrorCode::network), 5);
  EXPECT_EQ(exit_code(ErrorCode::cancelled), 130);
  EXPECT_STREQ(error_code_name(ErrorCode::invalid_image), "invalid_image");
}

TEST(Check, ThrowsABugThatNamesConditionAndPlace) {
  const int found = 3;
  EXPECT_NO_THROW(VILA_CHECK(found == 3));
  try {
    VILA_CHECK(found == 4, "found {}", found);
    FAIL();
  } catch (const Bug& bug) {
    const std::string text = bug.what();
    EXPECT_NE(text.find("found == 4"), std::string::npos);
    EXPECT_NE(text.find("found 3"), std::string::npos);
    EXPECT_NE(text.find("error_test.cc"), std::string::npos);
  }
}

}  // namespace
}  // namespace vila
