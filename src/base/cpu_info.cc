// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_info.h"

#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include "base/processor.h"

namespace vila {
namespace {

std::string model_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  // ARM boards name themselves instead, e.g. "Raspberry Pi 4 Model B Rev 1.4", with a zero behind.
  std::ifstream board("/proc/device-tree/model");
  if (std::getline(board, line, '\0') && !line.empty()) return line;
  return "unknown processor";
}

}  // namespace

CpuInfo detect_cpu() {
  CpuInfo info;
  info.model = model_name();
  ask_processor(info);
  return info;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0;
  int64_t resident = 0;
  return statm >> pages >> resident ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace vila
