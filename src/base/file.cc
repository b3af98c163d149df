// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

namespace vila {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_errno(const fs::path& path, std::string_view action) {
  const int number = errno;
  const bool no_space = number == ENOSPC || number == EDQUOT;
  fail(no_space ? ErrorCode::insufficient_disk : ErrorCode::failed, "{}: could not {}: {}",
       path.string(), action, std::strerror(number));
}

int open_for_reading(const fs::path& path, struct stat& info) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || ::fstat(descriptor, &info) != 0) {
    const int number = errno;
    if (descriptor >= 0) ::close(descriptor);
    fail(ErrorCode::not_found, "{}: could not open: {}", path.string(), std::strerror(number));
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(descriptor);
    fail(ErrorCode::not_found, "{}: expected a regular file, found {}", path.string(),
         S_ISDIR(info.st_mode) ? "a folder" : "something else");
  }
  return descriptor;
}

void write_all(int descriptor, const char* data, size_t size, const fs::path& path) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_errno(path, "write");
    data += written;
    size -= static_cast<size_t>(written);
  }
}

}  // namespace

std::string read_file(const fs::path& path, size_t max_bytes) {
  struct stat info {};

  const int descriptor = open_for_reading(path, info);
  const auto size = static_cast<size_t>(info.st_size);
  if (size > max_bytes) {
    ::close(descriptor);
    fail(ErrorCode::invalid_data, "{}: expected at most {} bytes, found {}", path.string(),
         max_bytes, size);
  }
  std::string content(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(descriptor, content.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  ::close(descriptor);
  if (done != size) fail(ErrorCode::failed, "{}: read {} of {} bytes", path.string(), done, size);
  return content;
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFileWriter writer(path);
  writer.append(content);
  writer.commit();
}

AtomicFileWriter::AtomicFileWriter(fs::path path) : path_(std::move(path)) {
  temporary_ = path_;
  temporary_ += fmt::format(".tmp{}", ::getpid());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno(temporary_, "create");
}

AtomicFileWriter::~AtomicFileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFileWriter::append(std::string_view bytes) {
  write_all(descriptor_, bytes.data(), bytes.size(), path_);
}

void AtomicFileWriter::append(std::span<const std::byte> bytes) {
  append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFileWriter::overwrite(uint64_t offset, std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail_errno(path_, "write");
    done += static_cast<size_t>(put);
  }
}

void AtomicFileWriter::commit() {
  if (::fsync(descriptor_) != 0) fail_errno(path_, "flush to disk");
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    ::unlink(temporary_.c_str());
    fail_errno(path_, "close");
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary_.c_str());
    errno = number;
    fail_errno(path_, "put in place");
  }
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  struct stat info {};

  const int descriptor = open_for_reading(path, info);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    const int number = errno;
    ::close(descriptor);
    if (mapped == MAP_FAILED) {
      fail(ErrorCode::failed, "{}: could not map: {}", path.string(), std::strerror(number));
    }
    data_ = static_cast<const std::byte*>(mapped);
  } else {
    ::close(descriptor);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace vila
