// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/engine.h"
#include "eval/model.h"
#include "text/chat_template.h"

namespace vila::cli {

/// An engine as the benchmarks see a model: greedy, prompts in the template but for raw ones,
/// pictures and videos in front written as `vila run` writes them. Engine and template must outlive
/// the result.
eval::Model eval_model(engine::Engine& engine, const text::ChatTemplate& chat_template);

}  // namespace vila::cli
