// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "vila/error.h"

namespace vila::test {

/// Checks that `body` throws an Error of that code whose message contains `part`.
template <typename Body>
void expect_error(ErrorCode code, const std::string& part, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
        << "expected \"" << part << "\" in \"" << error.what() << "\"";
    return;
  }
  ADD_FAILURE() << "expected an Error with \"" << part << "\"";
}

}  // namespace vila::test
