// SPDX-License-Identifier: Apache-2.0
// Every input that a fuzzer was given or that it found, through the same code in every build.
#include <algorithm>

#include <gtest/gtest.h>

#include "base/file.h"
#include "fuzz/targets.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;

class Replay : public testing::TestWithParam<FuzzTarget> {
 protected:
  static std::vector<fs::path> corpus() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(fs::path(VILA_FUZZ_CORPUS) / GetParam().name))
      files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
  }
};

TEST_P(Replay, RefusesOrReadsEveryInput) {
  const auto files = corpus();
  ASSERT_FALSE(files.empty());
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    const std::string content = read_file(file);
    EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(content))));
  }
}

/// Every byte of what is small, about kPlaces of what is larger.
size_t step_through(const std::string& content) {
  constexpr size_t kPlaces = 1000;
  return std::max<size_t>(1, content.size() / kPlaces);
}

TEST_P(Replay, RefusesOrReadsEveryLengthOfEveryInput) {
  for (const fs::path& file : corpus()) {
    const std::string content = read_file(file);
    for (size_t size = 0; size < content.size(); size += step_through(content)) {
      SCOPED_TRACE(testing::Message() << file.filename() << " cut to " << size);
      EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(content.data(), size))));
    }
  }
}

TEST_P(Replay, RefusesOrReadsEveryInputWithAnyByteChanged) {
  for (const fs::path& file : corpus()) {
    std::string content = read_file(file);
    for (size_t i = 0; i < content.size(); i += step_through(content)) {
      SCOPED_TRACE(testing::Message() << file.filename() << " changed at " << i);
      const char before = content[i];
      for (const char change : {'\x01', '\x80', '\xff'}) {
        content[i] = static_cast<char>(before ^ change);
        EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(content))));
      }
      content[i] = before;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay,
                         testing::ValuesIn(fuzz_targets().begin(), fuzz_targets().end()),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace vila::test
