// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merger.h"

#include <functional>
#include <queue>
#include <utility>

namespace vila::text {
namespace {

uint64_t key_of(TokenId left, TokenId right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

}  // namespace

BpeMerger::BpeMerger(std::vector<TokenId> bytes, std::span<const Merge> merges)
    : bytes_(std::move(bytes)) {
  rules_.reserve(merges.size());
  int32_t rank = 0;
  for (const Merge& merge : merges) {
    // The last of equal pairs counts, as in a Python or Rust map.
    rules_.insert_or_assign(key_of(merge.left, merge.right), Rule{rank, merge.joined});
    ++rank;
  }
}

const BpeMerger::Rule* BpeMerger::find(TokenId left, TokenId right) const {
  const auto found = rules_.find(key_of(left, right));
  return found == rules_.end() ? nullptr : &found->second;
}

void BpeMerger::encode(std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (const char c : word) {
    const TokenId id = bytes_[static_cast<unsigned char>(c)];
    const auto index = static_cast<int32_t>(symbols.size());
    if (id >= 0) symbols.push_back({id, index - 1, index + 1});
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;

  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t left) {
    const Symbol& symbol = symbols[static_cast<size_t>(left)];
    if (symbol.next < 0) return;
    const TokenId right = symbols[static_cast<size_t>(symbol.next)].id;
    if (const Rule* rule = find(symbol.id, right)) queue.push({rule->rank, left, symbol.id, right});
  };
  for (int32_t i = 0; i + 1 < static_cast<int32_t>(symbols.size()); ++i)
    offer(i);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (left.id != best.left_id || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != best.right_id) continue;
    left.id = find(best.left_id, best.right_id)->joined;
    left.next = right.next;
    right.id = -1;  // gone
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.left;
    if (left.previous >= 0) offer(left.previous);
    offer(best.left);
  }
  for (int32_t i = 0; i >= 0; i = symbols[static_cast<size_t>(i)].next)
    ids.push_back(symbols[static_cast<size_t>(i)].id);
}

}  // namespace vila::text
