// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vila::formats {

/// What a node of a pickle is. A call is not made: it stays a node that says what was asked for.
enum class PickleKind : uint8_t {
  none,
  boolean,     // integer: 0 or 1
  integer,     // integer
  real,        // real
  text,        // text
  tuple,       // items
  list,        // items
  dict,        // items: key, value, key, value, …; later rows of one key win
  global,      // text: "module.name"
  call,        // items: the global and the tuple of its arguments
  persistent,  // items: the id of an object that stands outside the pickle
};

/// "a dict", "a call", …, for messages.
std::string_view pickle_kind_name(PickleKind kind) noexcept;

/// One value. `items` are numbers of nodes: values may be shared, and hostile ones contain
/// themselves, so that whoever walks them must bound depth and count.
struct PickleNode {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<uint32_t> items = {};
};

/// All values of a pickle; `root` is the one it stands for. A value.
struct Pickle {
  std::vector<PickleNode> nodes;
  uint32_t root = 0;

  const PickleNode& operator[](uint32_t node) const { return nodes[node]; }
};

/// What read_pickle() accepts.
struct PickleRules {
  std::span<const std::string_view> globals;  // "module.name" of every global that may occur
  size_t max_bytes = size_t{16} << 20;
  size_t max_nodes = size_t{1} << 20;  // also bounds the stack and the memo
};

/// Reads a pickle of protocol 2 to 5 into a tree and executes nothing: there is no way to import,
/// call or build anything. Understood are the opcodes of plain containers, numbers, strings, the
/// memo, globals, calls and persistent ids; collections.OrderedDict() is a dict, and a state set on
/// a dict (BUILD) is left out. Memory is bounded by the rules, time is linear in the bytes, and
/// nothing recurses.
/// @throws Error{invalid_model} naming `source`, and the opcode or global that is not accepted.
/// Source: Python's pickletools.py.
Pickle read_pickle(std::span<const std::byte> bytes, const PickleRules& rules,
                   const std::string& source);

}  // namespace vila::formats
