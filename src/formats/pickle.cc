// SPDX-License-Identifier: Apache-2.0
#include "formats/pickle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8.h"
#include "formats/byte_cursor.h"

namespace vila::formats {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr size_t kMaxNameBytes = 256;
constexpr int kMaxProtocol = 5;

/// The machine that a pickle is a program of, as far as it builds plain values.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const PickleRules& rules, const std::string& source)
      : cursor_(bytes, source), rules_(rules), source_(source) {}

  Pickle run();

 private:
  using Step = void (Reader::*)();

  struct Opcode {
    uint8_t code;
    Step step;
  };

  static constexpr size_t kOpcodes = 35;
  static const std::array<Opcode, kOpcodes>& opcodes();

  template <typename... Args>
  [[noreturn]] void reject(fmt::format_string<Args...> format, Args&&... args) const;
  [[noreturn]] void reject_opcode(uint8_t code) const;

  uint32_t add(PickleNode node);
  void push(uint32_t node);

  void push_new(PickleNode node) { push(add(std::move(node))); }

  void push_integer(int64_t value) { push_new({.kind = PickleKind::integer, .integer = value}); }

  void push_text(uint64_t bytes);
  void push_global(const std::string& name);
  uint32_t pop();
  uint32_t top() const;
  std::vector<uint32_t> pop_last(size_t count);
  std::vector<uint32_t> pop_to_mark();
  PickleNode& container_below(PickleKind kind);
  void append_items(PickleKind kind, const std::vector<uint32_t>& items);
  void remember(uint32_t key);
  void recall(uint32_t key);
  std::string line();

  void protocol();

  void frame() { cursor_.take(sizeof(uint64_t)); }  // its length: a hint for streams

  void mark();

  void none() { push_new({.kind = PickleKind::none}); }

  void yes() { push_new({.kind = PickleKind::boolean, .integer = 1}); }

  void no() { push_new({.kind = PickleKind::boolean, .integer = 0}); }

  void int_4() { push_integer(cursor_.number<int32_t>()); }

  void int_1() { push_integer(cursor_.number<uint8_t>()); }

  void int_2() { push_integer(cursor_.number<uint16_t>()); }

  void long_1();
  void real();

  void text_1() { push_text(cursor_.number<uint8_t>()); }

  void text_4() { push_text(cursor_.number<uint32_t>()); }

  void text_8() { push_text(cursor_.number<uint64_t>()); }

  void empty_tuple() { push_new({.kind = PickleKind::tuple}); }

  void tuple_1() { push_new({.kind = PickleKind::tuple, .items = pop_last(1)}); }

  void tuple_2() { push_new({.kind = PickleKind::tuple, .items = pop_last(2)}); }

  void tuple_3() { push_new({.kind = PickleKind::tuple, .items = pop_last(3)}); }

  void tuple() { push_new({.kind = PickleKind::tuple, .items = pop_to_mark()}); }

  void empty_list() { push_new({.kind = PickleKind::list}); }

  void append() { append_items(PickleKind::list, pop_last(1)); }

  void appends() { append_items(PickleKind::list, pop_to_mark()); }

  void empty_dict() { push_new({.kind = PickleKind::dict}); }

  void set_item() { append_items(PickleKind::dict, pop_last(2)); }

  void set_items() { append_items(PickleKind::dict, pop_to_mark()); }

  void global();
  void stack_global();
  void reduce();
  void build();

  void persistent() { push_new({.kind = PickleKind::persistent, .items = pop_last(1)}); }

  void put_1() { remember(cursor_.number<uint8_t>()); }

  void put_4() { remember(cursor_.number<uint32_t>()); }

  void memoize() { remember(static_cast<uint32_t>(memo_.size())); }

  void get_1() { recall(cursor_.number<uint8_t>()); }

  void get_4() { recall(cursor_.number<uint32_t>()); }

  ByteCursor cursor_;
  const PickleRules& rules_;
  const std::string& source_;
  Pickle pickle_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint32_t, uint32_t> memo_;
};

/// Names of opcodes that make objects or run code, for messages.
struct OpcodeName {
  uint8_t code;
  std::string_view name;
};

constexpr std::array<OpcodeName, 10> kRefusedNames = {{{'i', "INST"},
                                                       {'o', "OBJ"},
                                                       {0x81, "NEWOBJ"},
                                                       {0x92, "NEWOBJ_EX"},
                                                       {0x82, "EXT1"},
                                                       {0x83, "EXT2"},
                                                       {0x84, "EXT4"},
                                                       {'P', "PERSID"},
                                                       {'2', "DUP"},
                                                       {0x8b, "LONG4"}}};

constexpr uint8_t kStop = '.';

const std::array<Reader::Opcode, Reader::kOpcodes>& Reader::opcodes() {
  static constexpr std::array<Opcode, kOpcodes> kTable = {{
      {0x80, &Reader::protocol}, {0x95, &Reader::frame},     {'(', &Reader::mark},
      {'N', &Reader::none},      {0x88, &Reader::yes},       {0x89, &Reader::no},
      {'J', &Reader::int_4},     {'K', &Reader::int_1},      {'M', &Reader::int_2},
      {0x8a, &Reader::long_1},   {'G', &Reader::real},       {0x8c, &Reader::text_1},
      {'X', &Reader::text_4},    {0x8d, &Reader::text_8},    {')', &Reader::empty_tuple},
      {0x85, &Reader::tuple_1},  {0x86, &Reader::tuple_2},   {0x87, &Reader::tuple_3},
      {'t', &Reader::tuple},     {']', &Reader::empty_list}, {'a', &Reader::append},
      {'e', &Reader::appends},   {'}', &Reader::empty_dict}, {'s', &Reader::set_item},
      {'u', &Reader::set_items}, {'c', &Reader::global},     {0x93, &Reader::stack_global},
      {'R', &Reader::reduce},    {'b', &Reader::build},      {'Q', &Reader::persistent},
      {'q', &Reader::put_1},     {'r', &Reader::put_4},      {0x94, &Reader::memoize},
      {'h', &Reader::get_1},     {'j', &Reader::get_4},
  }};
  return kTable;
}

template <typename... Args>
void Reader::reject(fmt::format_string<Args...> format, Args&&... args) const {
  fail(ErrorCode::invalid_model, "{}: pickle, byte {}: {}", source_, cursor_.position(),
       fmt::format(format, std::forward<Args>(args)...));
}

void Reader::reject_opcode(uint8_t code) const {
  const auto* known = std::ranges::find(kRefusedNames, code, &OpcodeName::code);
  reject("expected an opcode of plain values, found {:#04x}{}{}; nothing was executed", code,
         known == kRefusedNames.end() ? "" : " ", known == kRefusedNames.end() ? "" : known->name);
}

uint32_t Reader::add(PickleNode node) {
  if (pickle_.nodes.size() >= rules_.max_nodes) {
    reject("expected at most {} values, found more", rules_.max_nodes);
  }
  pickle_.nodes.push_back(std::move(node));
  return static_cast<uint32_t>(pickle_.nodes.size() - 1);
}

void Reader::push(uint32_t node) {
  if (stack_.size() >= rules_.max_nodes) {
    reject("expected at most {} values on the stack, found more", rules_.max_nodes);
  }
  stack_.push_back(node);
}

void Reader::push_text(uint64_t bytes) {
  const std::string_view text = cursor_.text(bytes);
  if (!is_valid_utf8(text)) reject("expected UTF-8, found other bytes");
  push_new({.kind = PickleKind::text, .text = std::string(text)});
}

void Reader::push_global(const std::string& name) {
  if (std::ranges::find(rules_.globals, name) == rules_.globals.end()) {
    reject("it asks for \"{}\": only tensors and plain containers are read; nothing was executed",
           replace_invalid_utf8(name));
  }
  push_new({.kind = PickleKind::global, .text = name});
}

uint32_t Reader::top() const {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) reject("expected a value on the stack, found none");
  return stack_.back();
}

uint32_t Reader::pop() {
  const uint32_t node = top();
  stack_.pop_back();
  return node;
}

std::vector<uint32_t> Reader::pop_last(size_t count) {
  std::vector<uint32_t> items(count);
  for (size_t i = count; i-- > 0;)
    items[i] = pop();
  return items;
}

std::vector<uint32_t> Reader::pop_to_mark() {
  if (marks_.empty()) reject("expected a mark on the stack, found none");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<uint32_t> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

/// The container on top of the stack that items are added to.
PickleNode& Reader::container_below(PickleKind kind) {
  PickleNode& node = pickle_.nodes[top()];
  if (node.kind != kind) {
    reject("expected {} to add to, found {}", pickle_kind_name(kind), pickle_kind_name(node.kind));
  }
  return node;
}

void Reader::append_items(PickleKind kind, const std::vector<uint32_t>& items) {
  if (kind == PickleKind::dict && items.size() % 2 != 0) {
    reject("expected pairs of key and value, found {} values", items.size());
  }
  PickleNode& container = container_below(kind);
  container.items.insert(container.items.end(), items.begin(), items.end());
}

void Reader::remember(uint32_t key) {
  memo_[key] = top();
  if (memo_.size() > rules_.max_nodes) {
    reject("expected at most {} remembered values, found more", rules_.max_nodes);
  }
}

void Reader::recall(uint32_t key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) reject("expected value {} to be remembered, found it is not", key);
  push(found->second);
}

/// The bytes up to the next line feed.
std::string Reader::line() {
  std::string text;
  for (char next = cursor_.number<char>(); next != '\n'; next = cursor_.number<char>()) {
    text += next;
    if (text.size() > kMaxNameBytes)
      reject("expected a name, found more than {} bytes", text.size());
  }
  return text;
}

void Reader::protocol() {
  const int version = cursor_.number<uint8_t>();
  if (version < 2 || version > kMaxProtocol) {
    reject("expected protocol 2 to {}, found {}", kMaxProtocol, version);
  }
}

void Reader::mark() {
  if (marks_.size() >= rules_.max_nodes) {
    reject("expected at most {} marks, found more", rules_.max_nodes);
  }
  marks_.push_back(stack_.size());
}

void Reader::long_1() {
  const size_t bytes = cursor_.number<uint8_t>();
  if (bytes > sizeof(uint64_t)) reject("expected an integer of at most 8 bytes, found {}", bytes);
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i)
    value |= uint64_t{cursor_.number<uint8_t>()} << (8 * i);
  const auto unused = static_cast<int>(64 - 8 * bytes);
  push_integer(bytes == 0 ? 0 : static_cast<int64_t>(value << unused) >> unused);
}

/// Big-endian, unlike all other numbers.
void Reader::real() {
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i)
    bits = bits << 8 | cursor_.number<uint8_t>();
  push_new({.kind = PickleKind::real, .real = std::bit_cast<double>(bits)});
}

void Reader::global() {
  const std::string module = line();
  push_global(module + "." + line());
}

void Reader::stack_global() {
  const PickleNode& name = pickle_.nodes[pop()];
  const PickleNode& module = pickle_.nodes[pop()];
  if (name.kind != PickleKind::text || module.kind != PickleKind::text ||
      name.text.size() > kMaxNameBytes || module.text.size() > kMaxNameBytes) {
    reject("expected the names of a module and of a global, found something else");
  }
  push_global(module.text + "." + name.text);
}

void Reader::reduce() {
  const std::vector<uint32_t> items = pop_last(2);
  const PickleNode& function = pickle_.nodes[items[0]];
  const PickleNode& arguments = pickle_.nodes[items[1]];
  if (function.kind != PickleKind::global || arguments.kind != PickleKind::tuple) {
    reject("expected a global and a tuple to call it with, found {} and {}",
           pickle_kind_name(function.kind), pickle_kind_name(arguments.kind));
  }
  if (function.text != kOrderedDict) {
    push_new({.kind = PickleKind::call, .items = items});
  } else if (arguments.items.empty()) {
    empty_dict();
  } else {
    reject("expected an empty {}, found one with arguments", kOrderedDict);
  }
}

void Reader::build() {
  pop();
  container_below(PickleKind::dict);
}

Pickle Reader::run() {
  std::array<Step, 256> steps{};
  for (const Opcode& opcode : opcodes())
    steps[opcode.code] = opcode.step;
  for (auto code = cursor_.number<uint8_t>(); code != kStop; code = cursor_.number<uint8_t>()) {
    if (steps[code] == nullptr) reject_opcode(code);
    (this->*steps[code])();
  }
  pickle_.root = pop();
  return std::move(pickle_);
}

}  // namespace

std::string_view pickle_kind_name(PickleKind kind) noexcept {
  constexpr std::array<std::string_view, 11> kNames = {
      "None",   "a bool", "an integer", "a number", "a string",       "a tuple",
      "a list", "a dict", "a global",   "a call",   "a persistent id"};
  return kNames[static_cast<size_t>(kind)];
}

Pickle read_pickle(std::span<const std::byte> bytes, const PickleRules& rules,
                   const std::string& source) {
  if (bytes.size() > rules.max_bytes) {
    fail(ErrorCode::invalid_model, "{}: expected a pickle of at most {} bytes, found {}", source,
         rules.max_bytes, bytes.size());
  }
  return Reader(bytes, rules, source).run();
}

}  // namespace vila::formats
