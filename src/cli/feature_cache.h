// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "cli/model_options.h"
#include "engine/row_store.h"

namespace vila::cli {

/// Rows of pictures in a folder, one file each, by the pixels that the tower sees and by the tower:
/// they are there again in the next benchmark, run, or checkpoint with the same tower. A file that
/// is cut or changed is recognised by its checksum and made anew; above `max_bytes` those not used
/// for longest go. Several processes may share a folder. One thread.
class FeatureCache final : public engine::RowStore {
 public:
  /// @param tower  tower_fingerprint() of the model that asks
  /// @throws Error{failed} a folder that cannot be made
  FeatureCache(std::filesystem::path folder, std::string tower, int64_t max_bytes);

  std::string key(const media::TiledPicture& picture) override;
  std::optional<std::vector<Tensor>> load(const std::string& key) override;
  void save(const std::string& key, std::span<const Tensor> rows) override;

  int64_t bytes() const { return bytes_; }

 private:
  struct File {
    int64_t bytes = 0;
    std::filesystem::file_time_type used;
  };

  void scan();
  void forget(const std::string& name);
  void shrink();

  std::filesystem::path folder_;
  std::string tower_;
  int64_t max_bytes_;
  int64_t bytes_ = 0;
  std::map<std::string, File> files_;
  bool is_writable_ = true;
};

/// What decides the bits of a picture's rows beside its pixels: the weights of tower and projector,
/// their configuration, and how this process computes. "" where it cannot be told cheaply (packed
/// towers), which must not be cached.
std::string tower_fingerprint(const formats::Checkpoint& checkpoint, engine::Engine& engine,
                              const ModelOptions& options);

}  // namespace vila::cli
