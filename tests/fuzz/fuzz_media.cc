// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.h"
#include "media/decode.h"

namespace vila::test {

void fuzz_image(Bytes bytes) {
  // Small limits: what is looked for is a wrong read, not a large picture.
  let_refuse([&] { media::decode_image(bytes, "fuzz", {.max_pixels = 1 << 20}); });
}

}  // namespace vila::test
