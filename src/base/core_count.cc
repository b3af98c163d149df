// SPDX-License-Identifier: Apache-2.0
#include "base/core_count.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <sched.h>

namespace vila {
namespace {

constexpr std::string_view kUnified = "0::/";  // how the line of cgroup v2 begins

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);  // nothing where there is no such file
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The path of the group below the mount: "" for the root, or where none is named.
std::filesystem::path group_path(std::string_view self) {
  while (!self.empty()) {
    const size_t end = std::min(self.find('\n'), self.size());
    const std::string_view line = self.substr(0, end);
    if (line.starts_with(kUnified)) return line.substr(kUnified.size());
    self.remove_prefix(std::min(end + 1, self.size()));
  }
  return {};
}

/// Cores of "QUOTA PERIOD" in microseconds; 0 for "max PERIOD" and what is not understood.
int quota_cores(const std::filesystem::path& file) {
  std::ifstream words(file);
  int64_t quota = 0;
  int64_t period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::clamp<int64_t>((quota - 1) / period + 1, 1, 1 << 16));
}

/// Cores that the scheduler may put this process on.
int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int cgroup_cores(const std::filesystem::path& mount, std::string_view self) {
  int cores = quota_cores(mount / "cpu.max");
  std::filesystem::path group = mount;
  for (const std::filesystem::path& part : group_path(self)) {
    group /= part;
    const int own = quota_cores(group / "cpu.max");
    if (own > 0) cores = cores == 0 ? own : std::min(cores, own);
  }
  return cores;
}

int available_cores() {
  const int granted = cgroup_cores("/sys/fs/cgroup", text_of("/proc/self/cgroup"));
  return granted > 0 ? std::min(granted, affinity_cores()) : affinity_cores();
}

}  // namespace vila
