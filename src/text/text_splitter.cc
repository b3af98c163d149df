// SPDX-License-Identifier: Apache-2.0
#include "text/text_splitter.h"

#include <algorithm>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <glib.h>
#include <pcre2.h>

#include "base/error.h"

namespace vila::text {
namespace {

using Words = std::vector<std::string_view>;

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

// What the matcher may take of memory and steps for one word: far above any real text's need.
constexpr uint32_t kMatchLimit = 10'000'000;

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// @pre no U+0000
std::string compose_part(std::string_view text) {
  const std::unique_ptr<char, decltype(&g_free)> composed(
      g_utf8_normalize(text.data(), static_cast<gssize>(text.size()), G_NORMALIZE_DEFAULT_COMPOSE),
      &g_free);
  VILA_CHECK(composed != nullptr, "text is not UTF-8");
  return composed.get();
}

}  // namespace

struct TextSplitter::Pattern {
  explicit Pattern(const std::string& expression) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                         PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    if (code == nullptr) {
      std::string reason(200, '\0');
      pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(reason.data()), reason.size());
      fail(ErrorCode::invalid_model, "tokenizer.json: \"pre_tokenizer\": {} at {} of \"{}\"",
           reason.c_str(), offset, expression.substr(0, 80));
    }
    // Where the machine has no just-in-time compiler, the interpreter does the same.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    context = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(context, kMatchLimit);
  }

  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  ~Pattern() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }

  void split(std::string_view text, Words& words) const {
    const std::unique_ptr<pcre2_match_data, FreeMatchData> data(
        pcre2_match_data_create_from_pattern(code, nullptr));
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    size_t done = 0;
    for (size_t at = 0; at < text.size();) {
      const int found =
          pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context);
      if (found < 0) break;
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data.get());
      if (range[1] == range[0]) break;
      if (range[0] > done) words.push_back(text.substr(done, range[0] - done));
      words.push_back(text.substr(range[0], range[1] - range[0]));
      at = done = range[1];
    }
    if (done < text.size()) words.push_back(text.substr(done));
  }

  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
};

TextSplitter::TextSplitter(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns)
    patterns_.push_back(std::make_unique<Pattern>(pattern));
}

TextSplitter::TextSplitter(TextSplitter&&) noexcept = default;
TextSplitter::~TextSplitter() = default;

Words TextSplitter::split(std::string_view text) const {
  Words words = {text};
  for (const auto& pattern : patterns_) {
    Words parts;
    for (const std::string_view word : words)
      pattern->split(word, parts);
    words = std::move(parts);
  }
  return words;
}

std::string compose_nfc(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string result;
  // GLib takes U+0000 for the end; it composes with nothing.
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\0', begin), text.size());
    result += compose_part(text.substr(begin, end - begin));
    if (end < text.size()) result += '\0';
    begin = end + 1;
  }
  return result;
}

}  // namespace vila::text
