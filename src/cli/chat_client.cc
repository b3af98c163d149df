// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_client.h"

#include <memory>
#include <thread>

#include <curl/curl.h>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace vila::cli {
namespace {

using std::chrono::milliseconds;

constexpr size_t kMaxBody = size_t{16} << 20;  // of an answer: a completion has a few kilobytes
constexpr long kTimeout = 408;
constexpr long kTooMany = 429;
constexpr long kServerError = 500;

struct HandleCloser {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

struct ListCloser {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

using Headers = std::unique_ptr<curl_slist, ListCloser>;

// One attempt's outcome.
struct Answer {
  long status = 0;       // 0: none
  std::string body;      // or why there is none
  milliseconds wait{0};  // what the server asks for

  bool is_temporary() const {
    return status == 0 || status == kTimeout || status == kTooMany || status >= kServerError;
  }
};

size_t append(char* data, size_t size, size_t count, void* user) {
  auto& body = *static_cast<std::string*>(user);
  if (body.size() + size * count > kMaxBody) return 0;
  body.append(data, size * count);
  return size * count;
}

int stop_when_cancelled(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& is_cancelled = *static_cast<const std::function<bool()>*>(user);
  return is_cancelled && is_cancelled() ? 1 : 0;
}

std::string completions_url(std::string url) {
  constexpr std::string_view kPath = "/chat/completions";
  while (url.ends_with('/'))
    url.pop_back();
  return url.ends_with(kPath) ? url : url + std::string(kPath);
}

Headers request_headers(const ChatEndpoint& endpoint) {
  Headers headers(curl_slist_append(nullptr, "Content-Type: application/json"));
  if (!endpoint.key.empty()) {
    const std::string line = "Authorization: Bearer " + endpoint.key;
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  }
  return headers;
}

Answer post(const ChatEndpoint& endpoint, const std::string& body,
            const std::function<bool()>& is_cancelled) {
  const std::unique_ptr<CURL, HandleCloser> handle(curl_easy_init());
  VILA_CHECK(handle != nullptr);
  const Headers headers = request_headers(endpoint);
  const std::string url = completions_url(endpoint.url);
  Answer answer;
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(handle.get(), option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_POSTFIELDS, body.c_str());
  set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  set(CURLOPT_TIMEOUT, static_cast<long>(endpoint.timeout.count()));
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_WRITEFUNCTION, append);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&answer.body));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, stop_when_cancelled);
  set(CURLOPT_XFERINFODATA, static_cast<const void*>(&is_cancelled));
  const CURLcode code = curl_easy_perform(handle.get());
  if (code != CURLE_OK) return {.status = 0, .body = curl_easy_strerror(code)};
  curl_off_t retry_after = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  curl_easy_getinfo(handle.get(), CURLINFO_RETRY_AFTER, &retry_after);
  answer.wait = std::chrono::seconds(retry_after);
  return answer;
}

// In short steps, so that Ctrl-C is heard.
void wait_for(milliseconds time, const std::function<bool()>& is_cancelled) {
  constexpr milliseconds kStep(50);
  for (milliseconds passed(0); passed < time; passed += kStep) {
    if (is_cancelled && is_cancelled()) throw Error(ErrorCode::cancelled, "stopped");
    std::this_thread::sleep_for(kStep);
  }
}

}  // namespace

eval::JudgeReply complete_chat(const ChatEndpoint& endpoint, const eval::JudgeRequest& request,
                               const std::function<bool()>& is_cancelled) {
  constexpr long kSuccess = 200;
  const std::string body = eval::completion_body(request, endpoint.model).dump();
  milliseconds pause = endpoint.first_wait;
  for (int attempt = 1;; ++attempt) {
    if (is_cancelled && is_cancelled()) throw Error(ErrorCode::cancelled, "stopped");
    const Answer answer = post(endpoint, body, is_cancelled);
    if (answer.status == kSuccess) return eval::read_completion(answer.body, endpoint.url);
    if (!answer.is_temporary() || attempt == endpoint.attempts) {
      fail(ErrorCode::network, "{}: expected a completion, found {} after {} attempts: {}",
           endpoint.url, answer.status, attempt, answer.body.substr(0, 300));
    }
    wait_for(std::max(pause, answer.wait), is_cancelled);
    pause *= 2;
  }
}

}  // namespace vila::cli
