// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "vila/error.h"

namespace vila::data {

/// A folder that lasts as long as one test. An owner.
class TestFolder {
 public:
  TestFolder() {
    static std::atomic<int> number{0};
    path_ = std::filesystem::temp_directory_path() /
            fmt::format("vila-data-test-{}-{}", ::getpid(), number++);
    std::filesystem::create_directories(path_);
  }

  ~TestFolder() { std::filesystem::remove_all(path_); }

  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::filesystem::path write(const std::string& name, std::string_view content) const {
    const std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// The Error that `body` throws; a test failure, and Error{failed, ""}, where it throws none.
template <typename Body>
Error error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "expected an Error";
  return Error(ErrorCode::failed, "");
}

/// Checks code and a part of the message of the Error that `body` throws.
template <typename Body>
void expect_error(ErrorCode code, const std::string& part, const Body& body) {
  const Error error = error_of(body);
  EXPECT_EQ(error.code(), code) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
      << "expected \"" << part << "\" in \"" << error.what() << "\"";
}

}  // namespace vila::data
