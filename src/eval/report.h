// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/task.h"

namespace vila::eval {

/// One HTML page that needs no other file: figures with intervals, then answers by what became of
/// them, wrong ones first, with their pictures; at most `kReportItems` of each kind.
/// @param result  what run_task() returns
std::string html_report(const Json& result, const Score& score, std::span<const Question> questions,
                        const Answers& answers, const DataFolder& data);

inline constexpr size_t kReportItems = 40;

/// Results in the form of VILA's table, one row of the model: Markdown. The 12 columns of the
/// paper, empty where one was not run, then the others that were.
std::string markdown_card(const std::string& model, std::span<const Json> results);

/// The same as {"model", "results": {title: {"value", "interval", "protocol_id"}}, "average w/o
/// MME"}.
Json json_card(const std::string& model, std::span<const Json> results);

}  // namespace vila::eval
