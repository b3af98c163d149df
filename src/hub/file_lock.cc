// SPDX-License-Identifier: Apache-2.0
#include "hub/file_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPause{100};

[[noreturn]] void fail_errno(const fs::path& path, const char* action, int number) {
  fail(ErrorCode::failed, "{}: could not {}: {}", path.string(), action, std::strerror(number));
}

}  // namespace

std::optional<FileLock> FileLock::try_take(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path.parent_path(), failure);
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail_errno(path, "create", errno);
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK && errno != EINTR) fail_errno(path, "lock", errno);
  return std::nullopt;
}

FileLock FileLock::take(const fs::path& path, const std::function<void()>& on_wait) {
  while (true) {
    if (std::optional<FileLock> lock = try_take(path)) return std::move(*lock);
    on_wait();
    std::this_thread::sleep_for(kPause);
  }
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace vila::hub
