// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_client.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/strings.h"
#include "hub/backoff.h"

namespace vila::hub {
namespace {

using formats::HubId;

constexpr size_t kMaxQuotedBytes = 200;
constexpr int kMaxDamaged = 2;   // arrivals with another checksum
constexpr int kMaxUnranged = 3;  // answers 416: the part is no beginning of the file

/// What a server says, made fit for a terminal.
std::string printable(std::string_view text) {
  std::string plain;
  for (const char c : text.substr(0, kMaxQuotedBytes))
    plain += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
  return plain;
}

/// A weak or quoted etag as the bare name of a blob.
std::string bare_etag(std::string text) {
  if (text.starts_with("W/")) text.erase(0, 2);
  std::erase(text, '"');
  return text;
}

std::optional<uint64_t> number_of(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number ? std::optional(number) : std::nullopt;
}

/// Throws when a partial answer starts elsewhere than asked for.
void check_range(const HttpResponse& response, uint64_t first_byte) {
  const std::string range = response.header("content-range");
  if (range.empty() || range.starts_with(fmt::format("bytes {}-", first_byte))) return;
  fail(ErrorCode::network, "{}: expected the content from byte {}, found \"{}\"", response.url,
       first_byte, printable(range));
}

/// What a person can do about a refusal.
std::string advice(const HttpResponse& response, const HubId& id, const Settings& settings) {
  const std::string page = settings.endpoint + "/" + id.repository;
  const bool is_gated = response.header("x-error-code") == "GatedRepo";
  if (is_gated || (response.status == 403 && !settings.token.empty())) {
    return fmt::format("accept the model's conditions at {} and use a token of that account{}",
                       page, settings.token.empty() ? ": set HF_TOKEN" : "");
  }
  switch (response.status) {
    case 401:
    case 403:
      return settings.token.empty()
                 ? "check the name; a private or gated model needs a token: set HF_TOKEN"
                 : "check the name, and that HF_TOKEN is valid and may read this model";
    case 404:
      return fmt::format("check the name and the revision \"{}\"; what there is stands at {}",
                         id.revision, page);
    case 429:
      return "too many requests: try again later, or set HF_TOKEN for a higher limit";
    default:
      return "check the network, proxy variables and HF_ENDPOINT, then try again: what has arrived "
             "is kept";
  }
}

}  // namespace

std::string url_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || std::string_view("-._~/").find(c) != text.npos;
    escaped += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return escaped;
}

void HubClient::refuse(const HttpResponse& response, const HubId& id,
                       const std::string& what) const {
  std::string found = response.failure;
  if (found.empty()) {
    found = fmt::format("HTTP {}", response.status);
    if (const std::string says = response.header("x-error-message"); !says.empty())
      found += fmt::format(" ({})", printable(says));
  }
  fail(ErrorCode::network, "{}: expected {}, found: {}; {}", id.text(), what, printable(found),
       advice(response, id, settings_));
}

HttpResponse HubClient::ask(const HttpRequest& request, const HubId& id, const std::string& what) {
  Backoff backoff(settings_, hooks_);
  while (true) {
    HttpResponse response = http_.fetch(request);
    if (response.is_success()) return response;
    if (!response.is_temporary() || !backoff.wait(response.retry_after)) refuse(response, id, what);
  }
}

Listing HubClient::list(const HubId& id) {
  const std::string url =
      fmt::format("{}/api/models/{}/revision/{}?blobs=true", settings_.endpoint, id.repository,
                  replace_all(url_escaped(id.revision), "/", "%2F"));
  const HttpResponse response =
      ask({.url = url}, id, fmt::format("the list of its files from {}", settings_.endpoint));
  return read_listing(response.body, url);
}

std::string HubClient::file_url(const HubId& id, const std::string& commit,
                                const std::string& path) const {
  return fmt::format("{}/{}/resolve/{}/{}", settings_.endpoint, id.repository, commit,
                     url_escaped(path));
}

BlobId HubClient::blob_of(const HubId& id, const std::string& commit, const RemoteFile& file) {
  if (file.size && !file.etag.empty()) return {file.etag, *file.size};
  const HttpRequest request = {.url = file_url(id, commit, file.path), .is_head = true};
  const HttpResponse response = ask(request, id, fmt::format("the size of \"{}\"", file.path));
  const auto first_of = [&](const char* linked, const char* own) {
    const std::string value = response.header(linked);
    return value.empty() ? response.header(own) : value;
  };
  const std::string etag = bare_etag(first_of("x-linked-etag", "etag"));
  const std::optional<uint64_t> size = number_of(first_of("x-linked-size", "content-length"));
  if (!size || !is_blob_name(etag)) {
    fail(ErrorCode::network,
         "{}: expected size and etag of the file, found size \"{}\", etag \"{}\"", request.url,
         printable(first_of("x-linked-size", "content-length")), printable(etag));
  }
  return {etag, *size};
}

HttpResponse HubClient::fetch_rest(const std::string& url, PartialFile& part,
                                   const std::function<void(uint64_t)>& on_size) {
  const uint64_t first_byte = part.size();
  bool is_first_piece = true;
  return http_.fetch({.url = url, .first_byte = first_byte},
                     [&](const HttpResponse& response, std::span<const char> piece) {
                       if (is_first_piece && response.status == 206)
                         check_range(response, first_byte);
                       if (is_first_piece && response.status == 200) part.restart();
                       is_first_piece = false;
                       part.append(piece);
                       on_size(part.size());
                     });
}

/// Until all bytes are here, whatever they are.
void HubClient::complete(const Download& what, PartialFile& part,
                         const std::function<void(uint64_t)>& on_size) {
  const std::string url = file_url(what.id, what.commit, what.path);
  const std::string expected = fmt::format("\"{}\"", what.path);
  Backoff backoff(settings_, hooks_);
  int unranged = 0;
  while (!part.is_whole()) {
    const uint64_t before = part.size();
    HttpResponse response = fetch_rest(url, part, on_size);
    if (part.is_whole()) return;
    if (part.size() > before) backoff.reset();
    const bool is_unranged = response.status == 416 && ++unranged < kMaxUnranged;
    if (is_unranged) part.restart();
    if (response.is_success()) response.failure = "the content ended early";
    if (!is_unranged && !response.is_temporary()) refuse(response, what.id, expected);
    if (!backoff.wait(response.retry_after)) refuse(response, what.id, expected);
    hooks_.say(LogLevel::debug, fmt::format("{}: again from byte {}", what.path, part.size()));
  }
}

void HubClient::download(const Download& what, PartialFile& part,
                         const std::function<void(uint64_t)>& on_size) {
  for (int damaged = 1;; ++damaged) {
    complete(what, part, on_size);
    const std::string fault = part.finish(what.target);
    if (fault.empty()) return;
    if (damaged == kMaxDamaged) {
      fail(ErrorCode::network, "{}: \"{}\": {}, {} times in a row; it is damaged on its way",
           what.id.text(), what.path, fault, damaged);
    }
    hooks_.say(LogLevel::warning, fmt::format("{}: {}; fetching it again", what.path, fault));
  }
}

}  // namespace vila::hub
