// SPDX-License-Identifier: Apache-2.0
#include "eval/report.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/html.h"
#include "eval/question_pictures.h"
#include "media/decode.h"
#include "media/resize.h"
#include "media/video.h"

namespace vila::eval {
namespace {

using data::escape_html;

constexpr std::array kShownOrder = {Outcome::unparsed, Outcome::missing, Outcome::wrong,
                                    Outcome::partly, Outcome::right};

constexpr const char* kStyle =
    "<style>body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 "
    "1rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;border-bottom:"
    "1px solid #ccc}td.n{text-align:right}article{display:flex;gap:1rem;border-top:1px solid #ccc;"
    "padding:1rem 0}img{max-width:14rem;max-height:14rem}pre{white-space:pre-wrap;margin:0}"
    "dt{color:#555}</style>";

std::string figures_table(const Score& score) {
  std::string html =
      "<table><tr><th>figure</th><th>value</th><th>95 % interval</th><th>questions</th></tr>\n";
  for (const Metric& metric : score.metrics) {
    const std::string interval =
        metric.interval
            ? fmt::format("{:.2f} to {:.2f}", metric.interval->low, metric.interval->high)
            : "";
    html +=
        fmt::format("<tr><td>{}</td><td class=n>{}</td><td>{}</td><td class=n>{}</td></tr>\n",
                    escape_html(metric.name), escape_html(metric.shown), interval, metric.count);
  }
  return html + "</table>\n";
}

// Questions and raw answers by any name that an item may carry: id, picture, MM-Vet's "v1_" + id.
class Lookup {
 public:
  Lookup(std::span<const Question> questions, const Answers& answers) {
    for (const Question& question : questions) {
      for (const std::string& name : {question.id, question.image, "v1_" + question.id})
        questions_.emplace(name, &question);
    }
    for (const Answer& answer : answers.rows)
      answers_.emplace(answer.id, &answer);
  }

  const Question* question(const std::string& item) const {
    const auto found = questions_.find(item);
    return found == questions_.end() ? nullptr : found->second;
  }

  std::string answer(const Question& question) const {
    const auto found = answers_.find(question.id);
    return found == answers_.end() ? "" : found->second->text;
  }

 private:
  std::unordered_map<std::string, const Question*> questions_;
  std::unordered_map<std::string, const Answer*> answers_;
};

// The first frame, at most this wide.
std::string video_html(const Question& question, const DataFolder& data) {
  const media::FrameChoice first{.wanted = 1, .part = question.video_part};
  const auto shrink = [](const media::Image& frame) {
    constexpr int64_t kWidth = 320;
    const int64_t width = std::min(kWidth, frame.width);
    return media::resize(frame, width, std::max<int64_t>(1, frame.height * width / frame.width));
  };
  const media::VideoFrames found = media::load_frames(data.root() / question.video, first, shrink);
  return fmt::format(
      "<figure><img src=\"{}\" alt=\"\"><figcaption>{}, {} frames</figcaption></figure>",
      data::image_data_uri(media::encode_png(found.frames.front())), escape_html(question.video),
      question.video_frames);
}

std::string picture_html(const Question& question, const DataFolder& data) {
  if (!question.video.empty()) return video_html(question, data);
  std::string html;
  for (const PictureSource& source : picture_sources(question)) {
    const std::string uri = data::image_data_uri(picture_bytes(source, data, question.row));
    if (!uri.empty()) html += fmt::format("<img src=\"{}\" alt=\"\">", uri);
  }
  return html;
}

std::string item_html(const ItemScore& item, const Lookup& lookup, const DataFolder& data) {
  const Question* question = lookup.question(item.id);
  std::string html = "<article>";
  if (question != nullptr) html += picture_html(*question, data);
  html += fmt::format("<dl><dt>question {}{}</dt>", escape_html(item.id),
                      item.category.empty() ? "" : " (" + escape_html(item.category) + ")");
  if (question != nullptr) {
    html += fmt::format("<dd><pre>{}</pre></dd><dt>answer</dt><dd><pre>{}</pre></dd>",
                        escape_html(question->prompt), escape_html(lookup.answer(*question)));
  }
  html += fmt::format("<dt>compared</dt><dd>{} with {}: {:.2f}</dd></dl></article>\n",
                      escape_html(item.parsed), escape_html(item.gold), item.score);
  return html;
}

std::string outcome_section(Outcome outcome, const Score& score, const Lookup& lookup,
                            const DataFolder& data) {
  std::string items;
  size_t count = 0;
  for (const ItemScore& item : score.items) {
    if (item.outcome != outcome) continue;
    if (++count <= kReportItems) items += item_html(item, lookup, data);
  }
  if (count == 0) return "";
  return fmt::format(
      "<h2 id=\"{0}\">{0}: {1}</h2>\n{2}{3}", outcome_name(outcome), count,
      count > kReportItems ? fmt::format("<p>The first {}:</p>\n", kReportItems) : "", items);
}

const Json* find_result(std::span<const Json> results, std::string_view task) {
  for (const Json& result : results) {
    if (result.value("task", "") == task && !result["score"].is_null()) return &result;
  }
  return nullptr;
}

// A column of the card; without a result it is empty.
struct Column {
  std::string title;
  const Json* result = nullptr;
  double scale = 1;
  int decimals = 1;

  double value() const { return (*result)["score"].get<double>() * scale; }
};

// The paper's twelve, whether they were run or not, then what else was.
std::vector<Column> card_columns(std::span<const Json> results) {
  std::vector<Column> columns;
  const auto paper = paper_tasks();
  for (const Task& task : paper) {
    columns.push_back({.title = task.title,
                       .result = find_result(results, task.name),
                       .scale = task.card_scale,
                       .decimals = task.card_decimals});
  }
  for (const Json& result : results) {
    const std::string name = result.value("task", "");
    const bool is_paper = std::any_of(paper.begin(), paper.end(),
                                      [&](const Task& task) { return task.name == name; });
    if (is_paper || result["score"].is_null()) continue;
    columns.push_back({.title = result.value("title", name), .result = &result});
  }
  return columns;
}

// Mean of all but MME, where all are there.
std::optional<double> average_without_mme(std::span<const Json> results) {
  double sum = 0;
  int count = 0;
  for (const Task& task : paper_tasks()) {
    if (task.name == "mme") continue;
    const Json* result = find_result(results, task.name);
    if (result == nullptr) return std::nullopt;
    sum += (*result)["score"].get<double>() * task.card_scale;
    ++count;
  }
  return sum / count;
}

}  // namespace

std::string html_report(const Json& result, const Score& score, std::span<const Question> questions,
                        const Answers& answers, const DataFolder& data) {
  const Lookup lookup(questions, answers);
  const std::string title =
      escape_html(result.value("task", "") + ": " + result.value("model", ""));
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n{1}\n"
      "<h1>{0}</h1>\n<p>Protocol {2}: {3}; {4}</p>\n",
      title, kStyle, escape_html(result.value("protocol_id", "")),
      escape_html(result.value("protocol", "")), escape_html(result.value("decoding", "")));
  html += figures_table(score);
  for (const std::string& note : score.notes)
    html += "<p>Note: " + escape_html(note) + "</p>\n";
  for (const Outcome outcome : kShownOrder)
    html += outcome_section(outcome, score, lookup, data);
  return html + "</html>\n";
}

std::string markdown_card(const std::string& model, std::span<const Json> results) {
  std::string titles = "| model |";
  std::string rule = "|---|";
  std::string values = "| " + model + " |";
  for (const Column& column : card_columns(results)) {
    titles += fmt::format(" {} |", column.title);
    rule += "---|";
    values += column.result == nullptr ? " |"
                                       : fmt::format(" {:.{}f} |", column.value(), column.decimals);
  }
  const auto average = average_without_mme(results);
  titles += " avg w/o MME |\n";
  values += average ? fmt::format(" {:.1f} |\n", *average) : " |\n";
  std::string card = titles + rule + "---|\n" + values + "\n";
  for (const Column& column : card_columns(results)) {
    if (column.result == nullptr) continue;
    card +=
        fmt::format("- {}: {} questions, protocol `{}` ({})\n", column.title,
                    (*column.result)["questions"].dump(), column.result->value("protocol_id", ""),
                    column.result->value("protocol", ""));
  }
  return card;
}

Json json_card(const std::string& model, std::span<const Json> results) {
  Json card = {{"model", model}, {"results", Json::object()}};
  for (const Column& column : card_columns(results)) {
    if (column.result == nullptr) continue;
    const std::string reported = column.result->value("reported", "");
    Json& entry = card["results"][column.title];
    entry = {{"value", column.value()}, {"protocol_id", column.result->value("protocol_id", "")}};
    const Json& intervals = (*column.result)["intervals"];
    if (intervals.contains(reported)) {
      entry["interval"] = {intervals[reported][0].get<double>() * column.scale,
                           intervals[reported][1].get<double>() * column.scale};
    }
  }
  if (const auto average = average_without_mme(results)) card["average w/o MME"] = *average;
  return card;
}

}  // namespace vila::eval
