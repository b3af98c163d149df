// SPDX-License-Identifier: Apache-2.0
#include "hub/settings.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/error.h"
#include "base/file.h"

namespace vila::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTokenBytes = 4096;
constexpr double kMaxTimeoutSeconds = 86'400;

std::string first_set(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return "";
}

bool is_true(std::string value) {
  std::ranges::transform(value, value.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return value == "1" || value == "on" || value == "yes" || value == "true";
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpaces = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return "";
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

fs::path home(const Environment& environment) {
  if (const std::string given = environment("HF_HOME"); !given.empty()) return given;
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty())
    return fs::path(cache) / "huggingface";
  const std::string user = environment("HOME");
  if (user.empty()) {
    fail(ErrorCode::invalid_argument,
         "hub: expected HOME, HF_HOME or HF_HUB_CACHE to say where downloads go, found none");
  }
  return fs::path(user) / ".cache" / "huggingface";
}

fs::path cache_folder(const Environment& environment) {
  const std::string given = first_set(environment, {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  return given.empty() ? home(environment) / "hub" : fs::path(given);
}

/// A token goes into a line of the request: anything but visible ASCII would change the request.
void check_token(const std::string& token, const std::string& source) {
  const bool is_plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (is_plain && token.size() <= kMaxTokenBytes) return;
  fail(ErrorCode::invalid_argument,
       "{}: expected a token of visible ASCII without spaces, found {}", source,
       is_plain ? fmt::format("{} bytes", token.size()) : "other characters");
}

std::string token_of_file(const Environment& environment) {
  if (is_true(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return "";
  const std::string named = environment("HF_TOKEN_PATH");
  if (named.empty() && environment("HOME").empty() && environment("HF_HOME").empty()) return "";
  const fs::path path = named.empty() ? home(environment) / "token" : fs::path(named);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  std::string token = trimmed(read_file(path, kMaxTokenBytes));
  check_token(token, path.string());
  return token;
}

std::string read_token(const Environment& environment) {
  const std::string given = first_set(environment, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"});
  const std::string token = trimmed(given);
  check_token(token, "HF_TOKEN");
  return token.empty() ? token_of_file(environment) : token;
}

std::string read_endpoint(const Environment& environment, const std::string& fallback) {
  std::string endpoint = trimmed(environment("HF_ENDPOINT"));
  if (endpoint.empty()) return fallback;
  if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
    fail(ErrorCode::invalid_argument,
         "HF_ENDPOINT: expected an address that starts with https:// or http://, found \"{}\"",
         endpoint);
  }
  while (endpoint.ends_with('/'))
    endpoint.pop_back();
  return endpoint;
}

std::chrono::milliseconds read_seconds(const Environment& environment, const char* name,
                                       std::chrono::milliseconds fallback) {
  const std::string text = trimmed(environment(name));
  if (text.empty()) return fallback;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !(seconds > 0 && seconds <= kMaxTimeoutSeconds)) {
    fail(ErrorCode::invalid_argument, "{}: expected seconds above 0 and up to {}, found \"{}\"",
         name, kMaxTimeoutSeconds, text);
  }
  return std::chrono::milliseconds(static_cast<int64_t>(std::max(seconds * 1000, 1.0)));
}

}  // namespace

Settings read_settings(const Environment& environment) {
  Settings settings;
  settings.endpoint = read_endpoint(environment, settings.endpoint);
  settings.token = read_token(environment);
  settings.is_offline = is_true(first_set(environment, {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}));
  settings.cache = cache_folder(environment);
  settings.ca_file =
      first_set(environment, {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"});
  settings.connect_timeout =
      read_seconds(environment, "HF_HUB_ETAG_TIMEOUT", settings.connect_timeout);
  settings.stall_timeout =
      read_seconds(environment, "HF_HUB_DOWNLOAD_TIMEOUT", settings.stall_timeout);
  return settings;
}

}  // namespace vila::hub
