// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "formats/checkpoint.h"
#include "spec/config.h"
#include "tensor/dtype.h"

namespace vila::engine {

/// What a model takes of memory while it answers, in bytes.
struct MemoryPlan {
  int64_t program = 0;      // code, libraries and tables of this process
  int64_t weights = 0;      // those that are read: without pictures, the decoder's
  int64_t kv_cache = 0;     // of the context
  int64_t vision_peak = 0;  // of the tower and the projector, for one group of pictures
  int64_t text_peak = 0;    // of the decoder, for one step of a prefill

  /// Pictures are done before the prompt begins, in the same memory.
  int64_t total() const;
};

/// What to plan for.
struct MemoryDemand {
  int64_t context = 0;  // tokens of prompt and answer
  int64_t images = 0;
  DType kv = DType::f16;
};

/// The plan of a model that is not loaded: `program` is what the process takes as it calls. A
/// context longer than the model's counts as the model's.
MemoryPlan plan_memory(const formats::Checkpoint& checkpoint, const spec::VilaConfig& config,
                       const MemoryDemand& demand);

/// The same of weights that no file holds.
MemoryPlan plan_memory(int64_t weight_bytes, const spec::VilaConfig& config,
                       const MemoryDemand& demand);

}  // namespace vila::engine
