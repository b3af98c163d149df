// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/mixture.h"
#include "train/collate.h"
#include "train/task.h"

namespace vila::train {

/// Packed batches out of a mixture: samples in its order as long as they fit into tokens_per_batch.
/// Which samples a batch holds depends only on the cursor. One thread.
class BatchStream {
 public:
  BatchStream(std::unique_ptr<const data::Mixture> mixture, const EncodeOptions& options,
              int64_t tokens_per_batch);

  /// The batch at `cursor`, which moves behind it. @throws Error{invalid_data}
  PackedBatch next(Cursor& cursor);
  /// Batches in one epoch, from the mean length of some hundred samples spread over it.
  double batches_per_epoch() const;

 private:
  std::unique_ptr<const data::Mixture> mixture_;
  EncodeOptions options_;
  int64_t tokens_per_batch_;
};

/// Every picture that the samples of a data set name.
std::vector<data::ImageSource> all_images(const data::Dataset& dataset);

}  // namespace vila::train
