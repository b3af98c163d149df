// SPDX-License-Identifier: Apache-2.0
#include "data/nano/gallery.h"

#include <algorithm>

#include "base/error.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

Gallery::Gallery(std::vector<Pair> pictures) : pictures_(std::move(pictures)) {
  VILA_CHECK(!pictures_.empty(), "a gallery needs pictures");
  for (size_t i = 0; i < pictures_.size(); ++i)
    by_label_[pictures_[i].label].push_back(i);
  for (const auto& [label, indices] : by_label_) {
    labels_.push_back(label);
    by_category_[pictures_[indices.front()].category].push_back(label);
  }
}

const std::vector<std::string>& Gallery::labels_of(std::string_view category) const {
  const auto found = by_category_.find(category);
  VILA_CHECK(found != by_category_.end(), "no category {}", category);
  return found->second;
}

bool Gallery::has_category(std::string_view category) const {
  return by_category_.contains(category);
}

const Pair& Gallery::any(Random& random) const {
  return pick(pictures_, random);
}

const Pair& Gallery::of(std::string_view label, Random& random) const {
  const auto found = by_label_.find(label);
  VILA_CHECK(found != by_label_.end(), "no picture of {}", label);
  return pictures_[pick(found->second, random)];
}

const Pair& Gallery::another(const Pair& picture, Random& random) const {
  const auto& same = by_label_.find(picture.label)->second;
  std::vector<size_t> other_style, other_picture;
  for (const size_t i : same) {
    if (pictures_[i].image == picture.image) continue;
    other_picture.push_back(i);
    if (pictures_[i].vendor != picture.vendor) other_style.push_back(i);
  }
  const bool has_style = !other_style.empty() && (other_picture.empty() || random.below(4) > 0);
  if (has_style) return pictures_[pick(other_style, random)];
  return other_picture.empty() ? picture : pictures_[pick(other_picture, random)];
}

std::vector<std::string> Gallery::several_labels(int64_t count, bool are_related,
                                                 Random& random) const {
  std::vector<std::string> chosen = {pick(labels_, random)};
  const std::string& category = of(chosen.front(), random).category;
  const auto& related = labels_of(category);
  const bool is_narrow = are_related && static_cast<int64_t>(related.size()) > 2 * count;
  const auto& pool = is_narrow ? related : labels_;
  VILA_CHECK(static_cast<int64_t>(pool.size()) >= count, "{} labels for {}", pool.size(), count);
  while (static_cast<int64_t>(chosen.size()) < count) {
    const std::string& label = pick(pool, random);
    if (std::find(chosen.begin(), chosen.end(), label) == chosen.end()) chosen.push_back(label);
  }
  return chosen;
}

Gallery open_gallery(const BuildContext& context, const std::vector<std::string>& names) {
  std::vector<Pair> pictures;
  for (const std::string& name : names) {
    const auto more = read_pairs(context.path("pairs/" + name + ".jsonl"));
    pictures.insert(pictures.end(), more.begin(), more.end());
  }
  return Gallery(std::move(pictures));
}

}  // namespace vila::data::nano
