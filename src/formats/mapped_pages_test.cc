// SPDX-License-Identifier: Apache-2.0
#include "formats/mapped_pages.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/temporary_folder.h"

namespace vila::formats {
namespace {

class MappedPages : public testing::Test {
 protected:
  MappedPages() : page_(static_cast<size_t>(::sysconf(_SC_PAGESIZE))) {
    std::string content(8 * page_, 'a');
    content[4 * page_ + 1] = 'b';
    file_ = std::make_shared<const MappedFile>(folder_.write("pages", content));
  }

  /// Pages of the map that this process holds: the kernel's view of the page cache does not count,
  /// so the process's own table is read.
  size_t held() const {
    std::ifstream smaps("/proc/self/smaps");
    std::string line;
    bool is_ours = false;
    while (std::getline(smaps, line)) {
      if (line.find(file_->path().string()) != line.npos) is_ours = true;
      if (is_ours && line.starts_with("Rss:")) return std::stoul(line.substr(4)) * 1024 / page_;
    }
    return 0;
  }

  /// Reads every page; the sum is asked for, or no compiler would read.
  int sum() const {
    int total = 0;
    for (const std::byte byte : file_->bytes())
      total += static_cast<int>(byte);
    return total;
  }

  size_t page_;
  test::TemporaryFolder folder_;
  std::shared_ptr<const MappedFile> file_;
};

TEST_F(MappedPages, GoAndComeBackWithTheSameContent) {
  const int before = sum();
  ASSERT_EQ(held(), 8U);
  release_pages(file_->bytes());
  EXPECT_EQ(held(), 0U);
  EXPECT_EQ(sum(), before);
}

TEST_F(MappedPages, OnlyThoseWhollyInsideGo) {
  ASSERT_GT(sum(), 0);
  release_pages(file_->bytes().subspan(page_ / 2, 3 * page_));
  EXPECT_EQ(held(), 6U) << "pages 1 and 2";
  release_pages(file_->bytes().subspan(page_ / 2, page_ / 4));
  EXPECT_EQ(held(), 6U);
}

TEST_F(MappedPages, ATensorOfOtherMemoryKeepsItsContent) {
  ASSERT_GT(sum(), 0);
  const auto bytes = static_cast<int64_t>(8 * page_);
  Tensor own = Tensor::zeros(DType::u8, {bytes});
  own.data<uint8_t>()[bytes - 1] = 7;
  release_pages(own, {file_});
  EXPECT_EQ(own.data<uint8_t>()[bytes - 1], 7);
  EXPECT_EQ(held(), 8U);
  release_pages(Tensor(), {file_});
  const Tensor view = Tensor::view(DType::u8, {bytes}, file_->bytes().data(), file_);
  release_pages(view, {});
  EXPECT_EQ(held(), 8U);
  release_pages(view, {file_});
  EXPECT_EQ(held(), 0U);
}

}  // namespace
}  // namespace vila::formats
