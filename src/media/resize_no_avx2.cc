// SPDX-License-Identifier: Apache-2.0
// Linked in place of resize_avx2.cc for other processors.
#include "media/resize_passes.h"

namespace vila::media {

const ResizePasses* avx2_passes() {
  return nullptr;
}

}  // namespace vila::media
