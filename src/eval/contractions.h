// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

namespace vila::eval {

/// A word without its apostrophe and what the scorer makes of it.
struct Contraction {
  const char* from;
  const char* to;
};

/// Which copy of the table: VizWiz's has U+2019 where the others have an ASCII apostrophe.
enum class ContractionTable { vqa, vizwiz };

/// The 120 rows of the table of VQA, in its order.
std::span<const Contraction> contractions();

/// Replaces a lower-case word that the table holds; leaves any other as it is.
void expand_contraction(std::string& word, ContractionTable which);

}  // namespace vila::eval
