// SPDX-License-Identifier: Apache-2.0
#include "hub/partial_file.h"

#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = size_t{1} << 20;

[[noreturn]] void fail_errno(const fs::path& path, const char* action) {
  const int number = errno;
  fail(number == ENOSPC || number == EDQUOT ? ErrorCode::insufficient_disk : ErrorCode::failed,
       "{}: could not {}: {}", path.string(), action, std::strerror(number));
}

}  // namespace

PartialFile::PartialFile(fs::path path, BlobId id)
    : path_(std::move(path)), id_(std::move(id)), digest_(id_.etag, id_.size) {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_errno(path_, "create");
  read_existing();
}

PartialFile::~PartialFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void PartialFile::read_existing() {
  std::vector<char> buffer(kReadBytes);
  while (true) {
    const ssize_t got = ::read(descriptor_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(path_, "read");
    if (got == 0) break;
    digest_.add({buffer.data(), static_cast<size_t>(got)});
    size_ += static_cast<uint64_t>(got);
  }
  if (size_ > id_.size) restart();  // not the beginning of this blob
}

void PartialFile::append(std::span<const char> piece) {
  if (piece.size() > id_.size - size_) {
    fail(ErrorCode::network, "expected {} bytes, found more; the server sends another file",
         id_.size);
  }
  digest_.add(piece);
  while (!piece.empty()) {
    const ssize_t written = ::write(descriptor_, piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_errno(path_, "write");
    size_ += static_cast<uint64_t>(written);
    piece = piece.subspan(static_cast<size_t>(written));
  }
}

void PartialFile::restart() {
  if (::ftruncate(descriptor_, 0) != 0 || ::lseek(descriptor_, 0, SEEK_SET) != 0)
    fail_errno(path_, "empty");
  size_ = 0;
  digest_ = Digest(id_.etag, id_.size);
}

std::string PartialFile::finish(const fs::path& target) {
  const std::string found = digest_.finish();
  if (!found.empty() && found != id_.etag) {
    restart();
    return fmt::format("expected checksum {}, found {}", id_.etag, found);
  }
  if (::fsync(descriptor_) != 0) fail_errno(path_, "flush to disk");
  if (::rename(path_.c_str(), target.c_str()) != 0) fail_errno(target, "put in place");
  return "";
}

}  // namespace vila::hub
