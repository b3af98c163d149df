// SPDX-License-Identifier: Apache-2.0
#include "formats/mmproj_names.h"

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace vila::formats {
namespace {

struct NamePair {
  std::string_view gguf;
  std::string_view ours;
};

constexpr std::array<NamePair, 6> kEmbeddings = {
    {{"v.class_embd", "embeddings.class_embedding"},
     {"v.patch_embd.weight", "embeddings.patch_embedding.weight"},
     {"v.patch_embd.bias", "embeddings.patch_embedding.bias"},
     {"v.position_embd.weight", "embeddings.position_embedding.weight"},
     {"v.pre_ln.weight", "pre_layrnorm.weight"},
     {"v.pre_ln.bias", "pre_layrnorm.bias"}}};

constexpr std::array<NamePair, 8> kBlock = {{{"attn_q", "self_attn.q_proj"},
                                             {"attn_k", "self_attn.k_proj"},
                                             {"attn_v", "self_attn.v_proj"},
                                             {"attn_out", "self_attn.out_proj"},
                                             {"ln1", "layer_norm1"},
                                             {"ln2", "layer_norm2"},
                                             {"ffn_up", "mlp.fc1"},
                                             {"ffn_down", "mlp.fc2"}}};

/// The other of two names of a swapped pair; each else itself.
std::string_view unswapped(std::string_view name) {
  if (name == "ffn_up") return "ffn_down";
  return name == "ffn_down" ? "ffn_up" : name;
}

}  // namespace

std::map<std::string, std::string, std::less<>> mmproj_names(int64_t blocks, bool has_swapped_ffn) {
  std::map<std::string, std::string, std::less<>> names;
  for (const NamePair& pair : kEmbeddings)
    names.emplace(pair.gguf, fmt::format("vision_model.{}", pair.ours));
  for (const char* suffix : {".weight", ".bias"}) {
    for (const char* layer : {"0", "2"}) {
      names.emplace(fmt::format("mm.{}{}", layer, suffix),
                    fmt::format("model.mm_projector.{}{}", layer, suffix));
    }
    for (int64_t block = 0; block < blocks; ++block) {
      for (const NamePair& pair : kBlock) {
        const std::string_view stored = has_swapped_ffn ? unswapped(pair.gguf) : pair.gguf;
        names.emplace(fmt::format("v.blk.{}.{}{}", block, stored, suffix),
                      fmt::format("vision_model.encoder.layers.{}.{}{}", block, pair.ours, suffix));
      }
    }
  }
  return names;
}

}  // namespace vila::formats
