// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "data/nano/generators.h"
#include "data/nano/package.h"
#include "data/nano/pair_tasks.h"

namespace vila::data::nano {

namespace {

constexpr int64_t kPictures = 4000;
constexpr size_t kSide = 28;
constexpr size_t kImageHeader = 16;  // IDX: magic, count, rows, columns, four bytes each
constexpr size_t kLabelHeader = 8;   // magic, count

struct Item {
  std::string_view label;
  std::string_view phrase;
};

constexpr std::array<Item, 10> kItems = {{{"t-shirt", "a t-shirt"},
                                          {"trousers", "trousers"},
                                          {"pullover", "a pullover"},
                                          {"dress", "a dress"},
                                          {"coat", "a coat"},
                                          {"sandal", "a sandal"},
                                          {"shirt", "a shirt"},
                                          {"sneaker", "a sneaker"},
                                          {"bag", "a bag"},
                                          {"ankle boot", "an ankle boot"}}};

std::string unpacked(const BuildContext& context, const std::string& name) {
  const auto path = context.debian("share/datasets/fashion-mnist/" + name, "dataset-fashion-mnist");
  return decompress(read_file(path), path.string());
}

}  // namespace

void build_fashion(BuildContext& context) {
  const auto images =
      std::make_shared<std::string>(unpacked(context, "train-images-idx3-ubyte.gz"));
  const std::string labels = unpacked(context, "train-labels-idx1-ubyte.gz");
  std::vector<PairTask> tasks;
  for (size_t i = 0; i < static_cast<size_t>(kPictures); ++i) {
    const size_t begin = kImageHeader + i * kSide * kSide;
    const auto label = static_cast<size_t>(labels.at(kLabelHeader + i));
    if (begin + kSide * kSide > images->size() || label >= kItems.size()) {
      fail(ErrorCode::invalid_data, "fashion-mnist: item {} is cut off or has label {}", i, label);
    }
    PairTask task;
    task.key = fmt::format("{:05}", i);
    task.pair.label = kItems[label].label;
    task.pair.vendor = "fashion-mnist";
    task.pair.category = "clothing";
    task.captions = {std::string(kItems[label].label), std::string(kItems[label].phrase)};
    task.open = [images, begin] {
      const auto* pixels = reinterpret_cast<const uint8_t*>(images->data() + begin);
      return Drawing::from_ink({pixels, kSide * kSide}, kSide, kSide);
    };
    tasks.push_back(std::move(task));
  }
  write_pairs(context, "fashion", tasks);
}

}  // namespace vila::data::nano
