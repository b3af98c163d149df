// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "media/tiling.h"
#include "tensor/tensor.h"

namespace vila::engine {

/// A place outside the process where rows of pictures outlive it. What it gives must be, bit for
/// bit, what the model would compute: one store belongs to one tower, projector and way to compute.
class RowStore {
 public:
  virtual ~RowStore() = default;

  /// What a prepared picture is known by: its pixels after the geometry, and the grid.
  virtual std::string key(const media::TiledPicture& picture) = 0;

  /// The rows [t, D] f32 of each of its media tokens; nothing where they are not there.
  virtual std::optional<std::vector<Tensor>> load(const std::string& key) = 0;

  /// Keeps them. A store that cannot (a full disk) forgets them: it never fails.
  virtual void save(const std::string& key, std::span<const Tensor> rows) = 0;
};

}  // namespace vila::engine
