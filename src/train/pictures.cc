// SPDX-License-Identifier: Apache-2.0
#include "train/pictures.h"

#include <cstring>

#include "train/torch_compat.h"

namespace vila::train {

at::Tensor load_pictures(const ImageCache& images, const std::vector<int64_t>& rows,
                         const std::string& device) {
  const int64_t side = images.side();
  const at::Tensor bytes = at::empty({static_cast<int64_t>(rows.size()), side, side, 3}, at::kByte);
  auto* target = bytes.data_ptr<uint8_t>();
  for (const int64_t row : rows) {
    const auto pixels = images.pixels(row);
    std::memcpy(target, pixels.data(), pixels.size());
    target += pixels.size();
  }
  return bytes.to(at::Device(device)).permute({0, 3, 1, 2}).to(at::kFloat).contiguous() / 255.0;
}

at::Tensor normalise_pictures(const at::Tensor& pictures, const media::ProcessorConfig& config) {
  const auto channel = [&](const std::array<float, 3>& values) {
    return at::tensor({values[0], values[1], values[2]}, at::kFloat)
        .view({1, 3, 1, 1})
        .to(pictures.device());
  };
  return (pictures - channel(config.mean)) / channel(config.std);
}

}  // namespace vila::train
