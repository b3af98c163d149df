// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.h"

#include <array>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vila::test {
namespace {

constexpr std::array kTargets = {
    FuzzTarget{"json", fuzz_json},     FuzzTarget{"safetensors", fuzz_safetensors},
    FuzzTarget{"torch", fuzz_torch},   FuzzTarget{"pickle", fuzz_pickle},
    FuzzTarget{"gguf", fuzz_gguf},     FuzzTarget{"mmproj", fuzz_mmproj},
    FuzzTarget{"vila", fuzz_vila},     FuzzTarget{"tokenizer", fuzz_tokenizer},
    FuzzTarget{"image", fuzz_image},   FuzzTarget{"row", fuzz_row},
    FuzzTarget{"config", fuzz_config}, FuzzTarget{"listing", fuzz_listing},
};

}  // namespace

std::span<const FuzzTarget> fuzz_targets() {
  return kTargets;
}

MemoryFile::MemoryFile(Bytes bytes) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
  const auto written = static_cast<size_t>(write(descriptor_, bytes.data(), bytes.size()));
  if (descriptor_ < 0 || written != bytes.size()) throw std::bad_alloc();
}

MemoryFile::~MemoryFile() {
  close(descriptor_);
}

std::filesystem::path MemoryFile::path() const {
  return fmt::format("/proc/self/fd/{}", descriptor_);
}

void touch(const Tensor& tensor) {
  const auto* bytes = static_cast<const uint8_t*>(tensor.raw());
  volatile uint8_t sum = 0;
  for (size_t i = 0; i < tensor.nbytes(); ++i)
    sum = static_cast<uint8_t>(sum ^ bytes[i]);
}

}  // namespace vila::test
