// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merger.h"

#include <functional>
#include <queue>
#include <utility>

namespace vila::text {
namespace {

constexpr uint64_t kNoKey = ~uint64_t{0};  // of ids -1, which no merge has
constexpr int kMinPlacesLog2 = 4;

uint64_t key_of(TokenId left, TokenId right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

/// Where a key is looked for first: the upper bits of a product with the golden ratio's fraction
/// (Knuth, "The Art of Computer Programming", volume 3, 6.4).
size_t first_place(uint64_t key, int shift) {
  return static_cast<size_t>((key * 0x9E3779B97F4A7C15ULL) >> shift);
}

}  // namespace

BpeMerger::BpeMerger(std::vector<TokenId> bytes, std::span<const Merge> merges)
    : bytes_(std::move(bytes)) {
  int places_log2 = kMinPlacesLog2;
  while ((size_t{1} << places_log2) < 2 * merges.size())
    ++places_log2;
  shift_ = 64 - places_log2;
  rules_.assign(size_t{1} << places_log2, Rule{kNoKey, 0, -1});
  int32_t place = 0;
  for (const Merge& merge : merges) {
    insert({key_of(merge.left, merge.right), merge.rank < 0 ? place : merge.rank, merge.joined});
    ++place;
  }
}

// The last of equal pairs counts, as in a Python or Rust map.
void BpeMerger::insert(const Rule& rule) {
  size_t place = first_place(rule.key, shift_);
  while (rules_[place].key != kNoKey && rules_[place].key != rule.key)
    place = (place + 1) & (rules_.size() - 1);
  rules_[place] = rule;
}

const BpeMerger::Rule* BpeMerger::find(TokenId left, TokenId right) const {
  const uint64_t key = key_of(left, right);
  for (size_t place = first_place(key, shift_);; place = (place + 1) & (rules_.size() - 1)) {
    if (rules_[place].key == key) return &rules_[place];
    if (rules_[place].key == kNoKey) return nullptr;
  }
}

void BpeMerger::encode(std::string_view word, std::vector<TokenId>& ids) const {
  std::vector<TokenId> symbols;
  symbols.reserve(word.size());
  for (const char c : word) {
    const TokenId id = bytes_[static_cast<unsigned char>(c)];
    if (id >= 0) symbols.push_back(id);
  }
  join(symbols, ids);
}

void BpeMerger::join(std::span<const TokenId> word, std::vector<TokenId>& ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (const TokenId id : word) {
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, index - 1, index + 1});
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
