// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/nano/context.h"

namespace vila::data::nano {

/// Pictures by what they show, for generators that place several of them in a text. Immutable.
class Gallery {
 public:
  explicit Gallery(std::vector<Pair> pictures);

  const std::vector<Pair>& pictures() const { return pictures_; }

  /// Everything that some picture shows, sorted.
  const std::vector<std::string>& labels() const { return labels_; }

  /// The same within one category. @pre has_category(category)
  const std::vector<std::string>& labels_of(std::string_view category) const;
  bool has_category(std::string_view category) const;

  const Pair& any(Random& random) const;
  /// A picture of `label`. @pre it is one of labels()
  const Pair& of(std::string_view label, Random& random) const;
  /// Another picture of the same thing, in another style where there is one; the picture itself
  /// when it is the only one.
  const Pair& another(const Pair& picture, Random& random) const;
  /// `count` labels, all different; within the category of the first one when `are_related`.
  std::vector<std::string> several_labels(int64_t count, bool are_related, Random& random) const;

 private:
  std::vector<Pair> pictures_;
  std::vector<std::string> labels_;
  std::map<std::string, std::vector<size_t>, std::less<>> by_label_;
  std::map<std::string, std::vector<std::string>, std::less<>> by_category_;
};

/// The training pictures of pairs/NAME.jsonl for each name.
Gallery open_gallery(const BuildContext& context, const std::vector<std::string>& names);

}  // namespace vila::data::nano
