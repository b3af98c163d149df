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

TEST_P(Replay, RefusesOrReadsEveryLengthOfASeed) {
  const std::string content = read_file(corpus().front());
  const size_t step = std::max<size_t>(1, content.size() / 200);
  for (size_t size = 0; size < content.size(); size += step) {
    SCOPED_TRACE(size);
    EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(content.data(), size))));
  }
}

TEST_P(Replay, RefusesOrReadsASeedWithAnyByteChanged) {
  std::string content = read_file(corpus().front());
  const size_t step = std::max<size_t>(1, content.size() / 200);
  for (size_t i = 0; i < content.size(); i += step) {
    SCOPED_TRACE(i);
    const char before = content[i];
    for (const char change : {'\x01', '\x80', '\xff'}) {
      content[i] = static_cast<char>(before ^ change);
      EXPECT_NO_THROW(GetParam().run(std::as_bytes(std::span(content))));
    }
    content[i] = before;
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay,
                         testing::ValuesIn(fuzz_targets().begin(), fuzz_targets().end()),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace vila::test
