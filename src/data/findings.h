// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace vila::data {

/// What the linter looks for (docs/data.md has the table).
enum class Rule {
  bad_row,            // not valid JSON, or a member is missing or of the wrong type
  bad_utf8,           // malformed bytes
  missing_image,      // a picture that cannot be opened
  broken_image,       // a picture that does not decode
  placeholders,       // as many "<image>" as pictures
  empty_text,         // a caption, document or text without a word
  empty_turn,         // a turn without a word, or no turns, or no answer
  role_order,         // turns that do not alternate user, assistant, …
  too_long,           // more rows than the model takes: it would be cut
  duplicate_row,      // the same text with the same pictures as an earlier row of the split
  duplicate_picture,  // another file with the same bytes in the split
  leaked_picture,     // a picture of validation that training has, byte for byte
  leaked_row,         // a row of validation that training has
  leaked_concept,     // a training row about a concept that is held out
  held_out_mention,   // a training row whose text names a held-out concept
};

/// Errors make a set unfit for training; warnings are for a person to judge.
enum class Severity { error, warning };

/// "missing-image" and so on.
std::string rule_name(Rule rule);
Severity rule_severity(Rule rule);

/// One thing found. A value.
struct Finding {
  RowPlace place;
  Rule rule = Rule::bad_row;
  std::string found;  // what was found, one line

  /// "captions.jsonl:12 (row 11): error: missing-image: …".
  std::string text() const;
};

/// What the linter found in all sets, sorted by file, row and rule. A value.
struct CheckReport {
  std::vector<Finding> findings;
  int64_t rows = 0;
  int64_t pictures = 0;  // distinct ones

  int64_t count(Severity severity) const;

  int64_t errors() const { return count(Severity::error); }

  int64_t warnings() const { return count(Severity::warning); }
};

/// Sorts by file, row, rule and text, the same whatever the number of threads.
void sort_findings(std::vector<Finding>& findings);

/// {"rows", "pictures", "errors", "warnings", "findings": [{"file", "row", "line", "rule",
/// "severity", "found"}]}, one finding per line.
std::string report_json(const CheckReport& report);

/// One line per finding, at most `limit` of each rule and file (0: all) with a count of those left
/// out, and a line that sums up.
std::string report_text(const CheckReport& report, int64_t limit = 20);

}  // namespace vila::data
