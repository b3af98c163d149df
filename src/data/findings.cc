// SPDX-License-Identifier: Apache-2.0
#include "data/findings.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace vila::data {
namespace {

struct RuleRow {
  Rule rule;
  const char* name;
  Severity severity;
};

constexpr RuleRow kRules[] = {
    {Rule::bad_row, "bad-row", Severity::error},
    {Rule::bad_utf8, "bad-utf8", Severity::error},
    {Rule::missing_image, "missing-image", Severity::error},
    {Rule::broken_image, "broken-image", Severity::error},
    {Rule::placeholders, "placeholders", Severity::error},
    {Rule::empty_text, "empty-text", Severity::error},
    {Rule::empty_turn, "empty-turn", Severity::error},
    {Rule::role_order, "role-order", Severity::error},
    {Rule::too_long, "too-long", Severity::warning},
    {Rule::duplicate_row, "duplicate-row", Severity::warning},
    {Rule::duplicate_picture, "duplicate-picture", Severity::warning},
    {Rule::leaked_picture, "leaked-picture", Severity::error},
    {Rule::leaked_row, "leaked-row", Severity::error},
    {Rule::leaked_concept, "leaked-concept", Severity::error},
    {Rule::held_out_mention, "held-out-mention", Severity::warning},
};

const RuleRow& row_of(Rule rule) {
  const auto* found = std::ranges::find(kRules, rule, &RuleRow::rule);
  VILA_CHECK(found != std::end(kRules), "rule {}", static_cast<int>(rule));
  return *found;
}

const char* severity_name(Severity severity) {
  return severity == Severity::error ? "error" : "warning";
}

Json to_json(const Finding& finding) {
  return {{"file", replace_invalid_utf8(finding.place.file.string())},
          {"row", finding.place.row},
          {"line", finding.place.line},
          {"rule", rule_name(finding.rule)},
          {"severity", severity_name(rule_severity(finding.rule))},
          {"found", replace_invalid_utf8(finding.found)}};
}

}  // namespace

std::string rule_name(Rule rule) {
  return row_of(rule).name;
}

Severity rule_severity(Rule rule) {
  return row_of(rule).severity;
}

std::string Finding::text() const {
  return fmt::format("{}: {}: {}: {}", place.name(), severity_name(rule_severity(rule)),
                     rule_name(rule), found);
}

int64_t CheckReport::count(Severity severity) const {
  return std::ranges::count_if(
      findings, [&](const Finding& finding) { return rule_severity(finding.rule) == severity; });
}

void sort_findings(std::vector<Finding>& findings) {
  const auto key = [](const Finding& finding) {
    return std::tie(finding.place.file, finding.place.row, finding.rule, finding.found);
  };
  std::ranges::sort(findings, {}, key);
}

std::string report_json(const CheckReport& report) {
  std::string text = fmt::format(
      "{{\"rows\": {}, \"pictures\": {}, \"errors\": {}, \"warnings\": {}, \"findings\": [",
      report.rows, report.pictures, report.errors(), report.warnings());
  for (const Finding& finding : report.findings) {
    text += &finding == &report.findings.front() ? "\n  " : ",\n  ";
    text += to_json(finding).dump();
  }
  return text + "]}\n";
}

std::string report_text(const CheckReport& report, int64_t limit) {
  std::string text;
  std::map<std::pair<std::string, Rule>, int64_t> counts;
  for (const Finding& finding : report.findings) {
    const int64_t number = ++counts[{finding.place.file.string(), finding.rule}];
    if (limit == 0 || number <= limit) text += finding.text() + "\n";
  }
  for (const auto& [key, count] : counts) {
    if (limit != 0 && count > limit) {
      text += fmt::format("{}: {} more of {}\n", key.first, count - limit, rule_name(key.second));
    }
  }
  return text + fmt::format("{} rows, {} pictures: {} errors, {} warnings\n", report.rows,
                            report.pictures, report.errors(), report.warnings());
}

}  // namespace vila::data
