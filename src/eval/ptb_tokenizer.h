// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vila::eval {

/// A caption as the COCO caption scorer compares it: split into tokens of the Penn Treebank as
/// Stanford's PTBTokenizer 3.4.1 does with -lowerCase, then without the scorer's 17 punctuation
/// marks. A rewrite of its rules for captions in English (words, clitics, abbreviations, numbers,
/// brackets, symbols); entities, e-mail addresses with rare characters and emoticons but ":)" are
/// not in it. Tested against the original: ptb_tokenizer_test.cc says on what.
/// Bytes that are no ASCII count as letters but for symbols and typographic marks.
std::vector<std::string> ptb_tokens(std::string_view caption);

}  // namespace vila::eval
