// SPDX-License-Identifier: Apache-2.0
#include "data/sample.h"

#include "spec/prompt.h"

namespace vila::data {

int64_t count_placeholders(const Sample& sample) {
  if (sample.kind == Kind::pairs) return 1;
  int64_t count = spec::count_images(sample.text);
  for (const text::Message& turn : sample.turns)
    count += spec::count_images(turn.content);
  return count;
}

}  // namespace vila::data
