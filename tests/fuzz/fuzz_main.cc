// SPDX-License-Identifier: Apache-2.0
// libFuzzer's entry, built once for each target: VILA_FUZZ_TARGET is its function.
#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  vila::test::VILA_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
