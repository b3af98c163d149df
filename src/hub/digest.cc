// SPDX-License-Identifier: Apache-2.0
#include "hub/digest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "base/error.h"

namespace vila::hub {
namespace {

constexpr size_t kSha256Digits = 64;
constexpr size_t kGitDigits = 40;

bool is_hexadecimal(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

struct Digest::Context {
  Context() : evp(EVP_MD_CTX_new()) {}

  ~Context() { EVP_MD_CTX_free(evp); }

  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  EVP_MD_CTX* evp;
};

bool Digest::can_check(std::string_view etag) noexcept {
  return (etag.size() == kSha256Digits || etag.size() == kGitDigits) && is_hexadecimal(etag);
}

Digest::Digest(std::string_view etag, uint64_t size) {
  if (!can_check(etag)) return;
  context_ = std::make_unique<Context>();
  const bool is_git = etag.size() == kGitDigits;
  const EVP_MD* method = is_git ? EVP_sha1() : EVP_sha256();
  VILA_CHECK(EVP_DigestInit_ex(context_->evp, method, nullptr) == 1);
  if (!is_git) return;
  std::string head = fmt::format("blob {}", size);
  head.push_back('\0');
  add(head);
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const char> piece) {
  if (!context_) return;
  VILA_CHECK(EVP_DigestUpdate(context_->evp, piece.data(), piece.size()) == 1);
}

std::string Digest::finish() {
  if (!context_) return "";
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  VILA_CHECK(EVP_DigestFinal_ex(context_->evp, bytes.data(), &size) == 1);
  context_.reset();
  std::string digits;
  for (unsigned i = 0; i < size; ++i)
    digits += fmt::format("{:02x}", bytes[i]);
  return digits;
}

}  // namespace vila::hub
