// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/small_files.h"

namespace vila::formats {

/// The tensor of what divides rotary frequencies (gguf_rope.h).
inline constexpr const char* kRopeFactors = "rope_freqs.weight";

/// The value of `key` as it was meant: the shortest number that is the same float.
/// @throws Error{invalid_model} when it is no number.
double gguf_real(const GgufFile& file, std::string_view key, double fallback);

/// Keys of a text model's metadata below its architecture ("llama.block_count"). Refers to the
/// file, which must outlive it.
class GgufKeys {
 public:
  /// @throws Error{invalid_model} naming those that are known when the architecture is another.
  explicit GgufKeys(const GgufFile& file);

  /// "llama" or "qwen2".
  const std::string& architecture() const { return architecture_; }

  /// The whole key.
  std::string name(std::string_view key) const;
  /// A count in 1 … 2^31 - 1. @throws Error{invalid_model} when it is none, or absent without
  /// `fallback`.
  int64_t count(std::string_view key, std::optional<int64_t> fallback = std::nullopt) const;
  /// See gguf_real().
  double real(std::string_view key, double fallback) const;

 private:
  const GgufFile& file_;
  std::string architecture_;
};

/// config.json as transformers would have it: sizes, rotary scaling, tied embeddings, token ids.
/// @throws Error{invalid_model} naming a key or tensor that is missing or says what the engine
/// cannot compute.
std::string gguf_config_file(const GgufFile& file, const GgufKeys& keys);

/// A config.json as GGUF asks for it. A value.
class GgufConfig {
 public:
  /// @param files  of a model; "config.json" is read.
  /// @throws Error{invalid_model} when it is absent or of a model that is neither llama nor qwen2.
  explicit GgufConfig(const SmallFiles& files);

  /// "llama" or "qwen2".
  const std::string& architecture() const { return architecture_; }

  /// @throws Error{invalid_config} an entry that is no integer, or absent without `fallback`.
  int64_t count(const char* key, std::optional<int64_t> fallback = std::nullopt) const;
  /// Numbers a head has.
  int64_t head_dim() const;
  /// What divides the rotary frequencies, [head_dim / 2]; empty where there is no such scaling.
  std::vector<float> rope_factors() const;
  /// All keys below the architecture, and its name.
  /// @throws Error{invalid_model} a rotary scaling that llama.cpp would not compute.
  GgufMetadata metadata() const;

 private:
  double real(const char* key, double fallback) const;
  Json rope_scaling() const;
  void add_rope_scaling(GgufMetadata& metadata, const std::string& prefix) const;

  std::shared_ptr<const Json> config_;
  std::string architecture_;
};

}  // namespace vila::formats
