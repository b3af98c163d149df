// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vila::eval {

/// Walks through strict JSON text without building a tree: the answers and annotations of VQAv2 are
/// hundreds of megabytes. The caller asks for what it expects next; anything else is an Error that
/// names source, line and column. A view: the text must outlive it; one thread.
///
///   cursor.enter_array();
///   while (cursor.next_item()) {
///     cursor.enter_object();
///     while (cursor.next_key(key)) key == "answer" ? cursor.string(answer) : cursor.skip();
///   }
///   cursor.finish();
class JsonCursor {
 public:
  /// A byte order mark at the start is passed over.
  /// @param source  named in messages
  /// @param first_line  number of the text's first line there
  JsonCursor(std::string_view text, std::string source, int64_t first_line = 1);

  enum class Kind { object, array, string, number, boolean, null };

  /// What stands next. @throws Error{invalid_data} when it is no value.
  Kind peek();

  void enter_object();
  /// Reads the next key of the object, or leaves the object and returns false.
  bool next_key(std::string& key);

  void enter_array();
  /// Whether another item follows; if not, leaves the array.
  bool next_item();

  /// A string value. @throws Error{invalid_data} also for malformed UTF-8 or a lone surrogate.
  void string(std::string& value);
  /// A string, or a number as it is written: how identifiers come.
  void text(std::string& value);
  double number();
  int64_t integer();
  bool boolean();
  /// Any value, checked as strictly.
  void skip();
  /// The text of any value, checked as strictly: to be parsed by itself.
  std::string_view take_value();
  /// Nothing but white space may follow.
  void finish();

  /// Where the next value, bracket or key begins, in bytes from the start of the text.
  size_t position();
  /// This cursor's document seen from the beginning of another item of the array that it is in:
  /// `position` is where that item begins, and next_item() goes to it.
  JsonCursor at_item(size_t position) const;
  /// Goes on from where `other`, a cursor over the same document, is now.
  void go_on_from(const JsonCursor& other);

  /// The whole document.
  std::string_view document() const { return text_; }

  /// Throws Error{invalid_data} "source:line:column: expected …".
  [[noreturn]] void fail_here(std::string_view expected) const;

 private:
  char next_char();
  void expect(char c, std::string_view expected);
  bool skip_plain();
  void skip_string();
  bool next_of(char close);
  void literal(std::string_view word);
  std::string_view number_text();
  size_t skip_digits();
  void escape(std::string& value);
  char32_t hex4();
  void push();

  std::string_view text_;
  std::string source_;
  int64_t first_line_;
  size_t at_ = 0;
  int depth_ = 0;          // open brackets
  uint64_t is_first_ = 0;  // a bit for each: whether no item of it has been read yet
  std::string scratch_;
};

}  // namespace vila::eval
