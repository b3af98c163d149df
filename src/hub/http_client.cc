// SPDX-License-Identifier: Apache-2.0
#include "hub/http_client.h"

#include <algorithm>
#include <exception>
#include <string_view>

#include <curl/curl.h>

#include "base/error.h"

namespace vila::hub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxBodyBytes = size_t{64} << 20;
constexpr size_t kMaxHeaderBytes = size_t{64} << 10;
constexpr long kMaxRedirects = 10;
constexpr std::string_view kUserAgent = "vila; libcurl";

/// libcurl must be set up once before any use.
void initialise_library() {
  static const bool is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!is_ready) fail(ErrorCode::failed, "libcurl: expected it to start, found a failure");
}

/// What libcurl's calls back into us reach during one transfer.
struct Transfer {
  CURL* curl = nullptr;
  const BodySink* sink = nullptr;
  const std::function<bool()>* is_cancelled = nullptr;
  std::chrono::milliseconds stall_timeout{};
  HttpResponse response;
  std::exception_ptr thrown;  // an exception must not pass through libcurl's C code
  bool is_stopped = false;    // by is_cancelled
  bool is_stalled = false;
  curl_off_t bytes = 0;
  Clock::time_point last_byte = Clock::now();
};

/// Errors of a server are kept to be read, content goes to the sink.
void take_piece(Transfer& transfer, std::span<const char> piece) {
  HttpResponse& response = transfer.response;
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  if (*transfer.sink && response.is_success()) return (*transfer.sink)(response, piece);
  const size_t room = kMaxBodyBytes - std::min(kMaxBodyBytes, response.body.size());
  response.body.append(piece.data(), std::min(piece.size(), room));
}

size_t on_body(char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    take_piece(transfer, {data, size});
    return size;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

/// The Hub describes a file ("x-linked-etag") in the answer that sends us on, the store that it
/// names knows only itself.
size_t on_header(char* data, size_t, size_t size, void* user) {
  auto& response = static_cast<Transfer*>(user)->response;
  const std::string_view line(data, size);
  const size_t colon = line.find(':');
  if (colon == line.npos || size > kMaxHeaderBytes) return size;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  std::string value(trimmed(line.substr(colon + 1)));
  if (name.starts_with("x-")) {
    response.headers.emplace(std::move(name), std::move(value));
  } else {
    response.headers.insert_or_assign(std::move(name), std::move(value));
  }
  return size;
}

/// Called for each piece and about once a second without any. @return not 0: give up.
int on_progress(void* user, curl_off_t, curl_off_t bytes, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  const Clock::time_point now = Clock::now();
  if (bytes != transfer.bytes) {
    transfer.bytes = bytes;
    transfer.last_byte = now;
  }
  transfer.is_stopped = *transfer.is_cancelled && (*transfer.is_cancelled)();
  transfer.is_stalled = now - transfer.last_byte > transfer.stall_timeout;
  return transfer.is_stopped || transfer.is_stalled ? 1 : 0;
}

std::string describe(const Transfer& transfer, CURLcode code, const char* detail) {
  if (transfer.is_stalled) {
    const std::chrono::duration<double> seconds = transfer.stall_timeout;
    return fmt::format("no byte for {:.1f} s", seconds.count());
  }
  return *detail != '\0' ? detail : curl_easy_strerror(code);
}

using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

HeaderList request_headers(const Settings& settings, const HttpRequest& request) {
  HeaderList list(nullptr, curl_slist_free_all);
  if (settings.token.empty() || !request.url.starts_with(settings.endpoint + "/")) return list;
  if (!may_carry_token(request.url)) return list;
  list.reset(curl_slist_append(nullptr, ("Authorization: Bearer " + settings.token).c_str()));
  return list;
}

}  // namespace

bool HttpResponse::is_temporary() const {
  return !failure.empty() || status == 408 || status == 429 || status >= 500;
}

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

bool may_carry_token(const std::string& url) {
  if (url.starts_with("https://")) return true;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parts(curl_url(), curl_url_cleanup);
  char* host = nullptr;
  if (curl_url_set(parts.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parts.get(), CURLUPART_HOST, &host, 0) != CURLUE_OK) {
    return false;
  }
  const std::unique_ptr<char, decltype(&curl_free)> owner(host, curl_free);
  const std::string_view name(host);
  return name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

struct HttpClient::Handle {
  Handle(Settings given, std::function<bool()> cancelled)
      : settings(std::move(given)), is_cancelled(std::move(cancelled)) {
    initialise_library();
    curl = curl_easy_init();
    if (curl == nullptr) fail(ErrorCode::failed, "libcurl: expected a handle, found none");
  }

  ~Handle() { curl_easy_cleanup(curl); }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void set_limits();
  void set_callbacks(Transfer& transfer);

  Settings settings;
  std::function<bool()> is_cancelled;
  CURL* curl = nullptr;
  char detail[CURL_ERROR_SIZE] = {};
};

void HttpClient::Handle::set_limits() {
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(settings.connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  const bool is_https = settings.endpoint.starts_with("https://");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, is_https ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_USERAGENT, kUserAgent.data());
  if (!settings.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings.ca_file.c_str());
}

void HttpClient::Handle::set_callbacks(Transfer& transfer) {
  detail[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
}

HttpClient::HttpClient(const Settings& settings, std::function<bool()> is_cancelled)
    : handle_(std::make_unique<Handle>(settings, std::move(is_cancelled))) {}

HttpClient::~HttpClient() = default;

HttpResponse HttpClient::fetch(const HttpRequest& request, const BodySink& sink) {
  CURL* curl = handle_->curl;
  Transfer transfer;
  transfer.curl = curl;
  transfer.sink = &sink;
  transfer.is_cancelled = &handle_->is_cancelled;
  transfer.stall_timeout = handle_->settings.stall_timeout;
  curl_easy_reset(curl);  // options only; the connection stays
  handle_->set_limits();
  handle_->set_callbacks(transfer);
  const HeaderList headers = request_headers(handle_->settings, request);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.is_head ? 1L : 0L);
  const std::string range = fmt::format("{}-", request.first_byte);
  if (request.first_byte > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());

  const CURLcode code = curl_easy_perform(curl);
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (transfer.is_stopped) fail(ErrorCode::cancelled, "cancelled");
  HttpResponse response = std::move(transfer.response);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  char* url = nullptr;
  curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
  response.url = url == nullptr ? request.url : url;
  curl_off_t wait = 0;
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
  if (wait > 0) response.retry_after = std::chrono::seconds(wait);
  if (code != CURLE_OK) response.failure = describe(transfer, code, handle_->detail);
  return response;
}

}  // namespace vila::hub
