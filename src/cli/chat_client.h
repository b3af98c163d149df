// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "eval/judging.h"

namespace vila::cli {

/// An endpoint that answers chat completions as OpenAI's does.
struct ChatEndpoint {
  std::string url;                            // "https://host/v1", or all of "…/chat/completions"
  std::string model;                          // what the request names
  std::string key;                            // sent as "Authorization: Bearer …"; "" for none
  int attempts = 6;                           // of one request
  std::chrono::milliseconds first_wait{500};  // before the second attempt; doubles each time
  std::chrono::seconds timeout{300};          // of one attempt
};

/// Sends one request and reads the reply. Failures of the network and the answers 408, 429 and 5xx
/// are tried again after a growing pause (a "Retry-After" of the server in seconds is obeyed).
/// @param is_cancelled  asked while waiting. @throws Error{network} naming the endpoint and what it
/// said last; Error{invalid_data} an answer that is no completion; Error{cancelled}.
eval::JudgeReply complete_chat(const ChatEndpoint& endpoint, const eval::JudgeRequest& request,
                               const std::function<bool()>& is_cancelled = {});

}  // namespace vila::cli
