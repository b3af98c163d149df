// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/nano/context.h"

namespace vila::data::nano {

/// One drawing that becomes one or several pairs.
struct PairTask {
  std::string key;  ///< names it: id and file name are made of set and key; [a-z0-9/-]
  Pair pair;        ///< label, vendor, group and category as all its pictures have them
  std::vector<std::string> captions;  ///< one is taken for each picture
  std::function<Drawing()> open;      ///< may throw Error{invalid_image}
  int variants = 1;                   ///< the first plain on white, the others placed at random
  bool may_mirror = true;
};

/// Draws all tasks with the context's threads into images/SET/KEY-VARIANT.png and writes
/// pairs/SET.jsonl in the tasks' order and, where drawings have several variants, the first ones
/// alone into pairs/SET-plain.jsonl. Broken and blank drawings are left out with a warning.
void write_pairs(BuildContext& context, const std::string& set, const std::vector<PairTask>& tasks);

/// A file name without its ending as part of a key: lower case, other signs as "-".
std::string key_part(const std::string& text);

}  // namespace vila::data::nano
