// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <csignal>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

/// Lets this process write files of at most so many bytes while it lives, without being killed.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }

  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

class FileTest : public testing::Test {
 protected:
  size_t files_left() const {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_.path()))
      ++count;
    return count;
  }

  test::TemporaryFolder folder_;
  fs::path path_ = folder_ / "file";
};

template <typename Body>
ErrorCode code_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::failed;
}

TEST_F(FileTest, ReadsWhatItWrote) {
  const std::string content("a\0b\nc", 5);
  write_file(path_, content);
  EXPECT_EQ(read_file(path_), content);
  write_file(path_, "");
  EXPECT_EQ(read_file(path_), "");
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(FileTest, SaysWhatItCannotOpen) {
  EXPECT_EQ(code_of([&] { read_file(path_); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { read_file(folder_.path()); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { MappedFile(folder_.path()); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { write_file(folder_ / "absent/file", ""); }), ErrorCode::failed);
  EXPECT_EQ(code_of([&] { read_file("/dev/null"); }), ErrorCode::not_found);
}

TEST_F(FileTest, RefusesFilesBeyondTheLimit) {
  write_file(path_, "12345");
  EXPECT_EQ(read_file(path_, 5), "12345");
  EXPECT_EQ(code_of([&] { read_file(path_, 4); }), ErrorCode::invalid_data);
}

TEST_F(FileTest, WriterLeavesTheOldContentUntilCommit) {
  write_file(path_, "old");
  {
    AtomicFileWriter writer(path_);
    writer.append("new");
    EXPECT_EQ(read_file(path_), "old");
  }
  EXPECT_EQ(read_file(path_), "old");
  EXPECT_EQ(files_left(), 1U);

  AtomicFileWriter writer(path_);
  writer.append("ne");
  writer.append(std::as_bytes(std::span("w", 1)));
  writer.commit();
  EXPECT_EQ(read_file(path_), "new");
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(FileTest, KeepsTheOldContentWhenTheDiskIsFull) {
  write_file(path_, "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_THROW(write_file(path_, std::string(2000, 'x')), Error);
  }
  EXPECT_EQ(read_file(path_), "old");
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(FileTest, TellsAFullDiskApart) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  write_file(path_, "old");
  // The temporary file of the writer leads to a device without room.
  fs::create_symlink("/dev/full", path_.string() + ".tmp" + std::to_string(::getpid()));
  EXPECT_EQ(code_of([&] { write_file(path_, "new"); }), ErrorCode::insufficient_disk);
  EXPECT_EQ(read_file(path_), "old");
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(FileTest, KeepsTheTargetWhenItCannotBeReplaced) {
  fs::create_directories(path_ / "inside");
  EXPECT_EQ(code_of([&] { write_file(path_, "x"); }), ErrorCode::failed);
  EXPECT_TRUE(fs::is_directory(path_));
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(FileTest, MapsAWholeFile) {
  write_file(path_, "mapped");
  MappedFile file(path_);
  const auto text = [](const MappedFile& mapped) {
    const auto bytes = mapped.bytes();
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  EXPECT_EQ(text(file), "mapped");
  const MappedFile moved = std::move(file);
  fs::remove(path_);
  EXPECT_EQ(text(moved), "mapped");
  EXPECT_EQ(moved.path(), path_);
}

TEST_F(FileTest, MapsAnEmptyFile) {
  write_file(path_, "");
  EXPECT_TRUE(MappedFile(path_).bytes().empty());
}

TEST_F(FileTest, MoveAssignmentReleasesTheOldMap) {
  write_file(path_, "one");
  write_file(folder_ / "two", "three");
  MappedFile file(path_);
  file = MappedFile(folder_ / "two");
  EXPECT_EQ(file.bytes().size(), 5U);
  EXPECT_EQ(file.path(), folder_ / "two");
}

}  // namespace
}  // namespace vila
