// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/context.h"
#include "spec/config.h"

namespace vila::model {

/// Rows that stand between those of a video: `end` [e, D] after each frame, `separator` [s, D]
/// after each pooling (undefined: none).
struct VideoEnds {
  Tensor end;
  Tensor separator;
};

/// Rows of a video [frames, m, D] with `ends` between: a mean over windows of time, height and
/// width for each entry of `pools` (docs/model.md, eq. 9c). Without pools every frame stays.
/// Source: TSPVideoEncoder of llava/model/encoders/video at b760c34.
/// @throws Error{invalid_argument} frames, height or width are no multiple of a window's.
Tensor pool_video(ops::Context& ctx, const Tensor& frames, const spec::VideoPools& pools,
                  const VideoEnds& ends);

}  // namespace vila::model
