// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "base/log.h"

namespace vila::hub {

/// Where the Hub is, who asks, and how patiently. A value.
struct Settings {
  std::string endpoint = "https://huggingface.co";  // without a slash at its end
  std::string token;                                // empty: none
  bool is_offline = false;
  std::filesystem::path cache;
  std::string ca_file;  // certificates to trust; empty: the system's
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds stall_timeout{30'000};  // without a byte, a transfer is given up
  std::chrono::milliseconds first_wait{1'000};      // before the second attempt; doubles each time
  std::chrono::milliseconds longest_wait{60'000};
  int attempts = 6;  // in a row that bring nothing
};

/// The value of an environment variable, "" where it is not set.
using Environment = std::function<std::string(const char* name)>;

/// Settings from the variables that huggingface_hub reads:
///
///   HF_ENDPOINT                     another server
///   HF_TOKEN, HUGGING_FACE_HUB_TOKEN   else the first line of HF_TOKEN_PATH, else of
///   HF_HOME/token;
///                                   HF_HUB_DISABLE_IMPLICIT_TOKEN: the file is not read
///   HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE   1, on, yes or true: no network
///   HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE   else HF_HOME/hub; HF_HOME: XDG_CACHE_HOME/huggingface,
///                                   else ~/.cache/huggingface
///   HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_ETAG_TIMEOUT   seconds without a byte, and to connect
///   CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, SSL_CERT_FILE   certificates to trust
///
/// Proxies (https_proxy, all_proxy, no_proxy, …) are libcurl's matter.
/// @throws Error{invalid_argument} naming the variable and what it must be.
/// Source: "Environment variables" in huggingface_hub's documentation.
Settings read_settings(const Environment& environment);

/// What a download tells while it runs, and asks. All may be empty.
struct Hooks {
  struct Progress {
    std::string file;
    uint64_t file_done = 0;  // bytes of this file that are here
    uint64_t file_size = 0;
    uint64_t done = 0;  // of all files
    uint64_t total = 0;
  };

  std::function<void(const Progress&)> on_progress;  // often: after each piece that arrives
  std::function<bool()> is_cancelled;                // then Error{cancelled} is thrown soon
  LogSink log;

  bool cancelled() const { return is_cancelled && is_cancelled(); }

  void say(LogLevel level, std::string_view message) const {
    if (log) log(level, message);
  }
};

}  // namespace vila::hub
