// SPDX-License-Identifier: Apache-2.0
#include "data/preview.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "base/error.h"
#include "base/random.h"
#include "data/html.h"

namespace vila::data {
namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2024; --faint: #69717b;
  --line: #dfe3e8; --loss: #c9efd3; --loss-ink: #0c4a22; --mask: #eceef1; --mask-ink: #59616b;
  --picture: #dbe6ff; --picture-ink: #1d3f91; --fault: #b42318; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1d2125; --ink: #e6e9ec;
  --faint: #98a1ab; --line: #333a41; --loss: #184a2a; --loss-ink: #c4f2d2; --mask: #2a3036;
  --mask-ink: #aab3bd; --picture: #22356b; --picture-ink: #cfddff; --fault: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem; max-width: 68rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .2rem; font-size: 1.4rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .6rem; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
h2 small, .faint { color: var(--faint); font-weight: 400; }
.legend { position: sticky; top: 0; padding: .6rem 0; background: var(--page); }
article { margin: 1rem 0; padding: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .8rem; margin-bottom: .8rem; }
figure { margin: 0; max-width: 14rem; }
figure img { display: block; max-width: 100%; max-height: 14rem; border-radius: .3rem;
  border: 1px solid var(--line); }
figcaption { color: var(--faint); font-size: .8rem; overflow-wrap: anywhere; }
.tokens { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; }
.tokens span { padding: .1rem 0; border-radius: .2rem; box-shadow: inset 0 0 0 .5px var(--card); }
.loss { background: var(--loss); color: var(--loss-ink); }
.mask { background: var(--mask); color: var(--mask-ink); }
.tokens .picture, .picture { padding: .1rem .5rem; border-radius: 1rem; font-size: .85em;
  background: var(--picture); color: var(--picture-ink); white-space: nowrap; }
.special { font-family: ui-monospace, monospace; font-size: .85em; }
.cut { opacity: .4; text-decoration: line-through; }
.fault { color: var(--fault); }
)css";

struct Tally {
  int64_t tokens = 0;
  int64_t with_loss = 0;
  int64_t rows = 0;
};

/// What a reader sees of a token: blanks as they are, line ends marked, specials and raw bytes by
/// their piece.
std::string shown_piece(const text::Tokenizer& tokenizer, text::TokenId id) {
  constexpr std::string_view kBlank = "\xE2\x96\x81";  // U+2581, SentencePiece's blank
  std::string piece = tokenizer.piece(id);
  if (piece == "<0x0A>") return "↵\n";
  for (size_t at = piece.find(kBlank); at != std::string::npos; at = piece.find(kBlank)) {
    piece.replace(at, kBlank.size(), 1, ' ');
  }
  return piece;
}

class TokenView {
 public:
  TokenView(const PreviewOptions& options, const spec::LabelledIds& labelled)
      : options_(options), tokenizer_(*options.labels.tokenizer), labelled_(labelled) {}

  std::string html() {
    std::string text = "<div class=\"tokens\">";
    for (size_t i = 0; i < labelled_.ids.size(); ++i) {
      text += labelled_.ids[i] == spec::kImageToken ? picture_badge() : token(i);
    }
    return text + "</div>\n";
  }

  const Tally& tally() const { return tally_; }

 private:
  std::string picture_badge() {
    const int64_t rows = options_.labels.tokens_per_image;
    ++pictures_;
    std::string badge = fmt::format(
        "<span class=\"picture{}\" title=\"rows of picture {}: no loss\">picture {} × {}</span>",
        cut_class(), pictures_, pictures_, rows);
    tally_.rows += rows;
    return badge;
  }

  std::string token(size_t index) {
    const text::TokenId id = labelled_.ids[index];
    // Nothing comes before the first row, so nothing predicts it.
    const bool has_loss = index > 0 && labelled_.labels[index] != spec::kIgnoreLabel;
    const bool is_raw_byte = tokenizer_.piece(id).starts_with("<0x");
    std::string span = fmt::format(
        "<span class=\"{}{}{}\" title=\"id {}: {}\">{}</span>", has_loss ? "loss" : "mask",
        tokenizer_.is_special(id) || is_raw_byte ? " special" : "", cut_class(), id,
        escape_html(tokenizer_.piece(id)), escape_html(shown_piece(tokenizer_, id)));
    ++tally_.rows;
    ++tally_.tokens;
    tally_.with_loss += has_loss ? 1 : 0;
    return span;
  }

  const char* cut_class() const {
    return options_.max_length > 0 && tally_.rows >= options_.max_length ? " cut" : "";
  }

  const PreviewOptions& options_;
  const text::Tokenizer& tokenizer_;
  const spec::LabelledIds& labelled_;
  Tally tally_;
  int64_t pictures_ = 0;
};

std::string picture_html(const ImageSource& source, size_t number) {
  std::string picture;
  std::string note;
  try {
    const std::string bytes = read_image_bytes(source);
    const media::Image image = media::decode_image(std::as_bytes(std::span(bytes)), source.name());
    std::string uri = image_data_uri(bytes);
    if (uri.empty()) uri = image_data_uri(media::encode_png(image));
    picture = fmt::format("<img src=\"{}\" alt=\"picture {}\">", uri, number);
    note = fmt::format("{} × {}", image.width, image.height);
  } catch (const Error& error) {
    picture = fmt::format("<div class=\"fault\">{}</div>", escape_html(error.what()));
  }
  const std::string name = source.member.empty() ? source.path.filename().string() : source.member;
  return fmt::format("<figure>{}<figcaption title=\"{}\">{}. {} {}</figcaption></figure>\n",
                     picture, escape_html(source.name()), number, escape_html(name), note);
}

/// Text without a tokenizer: placeholders as badges, turns one under the other.
std::string plain_html(const Sample& sample) {
  std::string text = sample.text;
  for (const text::Message& turn : sample.turns)
    text += turn.role + ": " + turn.content + "\n";
  std::string html = "<div class=\"tokens\">";
  if (sample.kind == Kind::pairs) html += "<span class=\"picture\">picture 1</span>";
  const std::string_view placeholder = spec::kImagePlaceholder;
  int64_t picture = 0;
  size_t begin = 0;
  for (size_t at = text.find(placeholder); at != std::string::npos;
       at = text.find(placeholder, begin)) {
    html += escape_html(std::string_view(text).substr(begin, at - begin));
    html += fmt::format("<span class=\"picture\">picture {}</span>", ++picture);
    begin = at + placeholder.size();
  }
  return html + escape_html(std::string_view(text).substr(begin)) + "</div>\n";
}

std::string heading(const RowPlace& place, const Sample& sample) {
  std::string details;
  if (!sample.id.empty()) details += " · id " + sample.id;
  if (!sample.label.empty()) details += " · concept " + sample.label;
  return fmt::format("<h2>{} <small>{}</small></h2>\n", escape_html(place.name()),
                     escape_html(details));
}

std::string text_html(const Sample& sample, const PreviewOptions& options) {
  if (options.labels.tokenizer == nullptr) return plain_html(sample);
  const spec::LabelledIds labelled = label_sample(sample, options.labels);
  TokenView view(options, labelled);
  const std::string tokens = view.html();
  return tokens + fmt::format("<p class=\"faint\">{} rows, {} tokens, {} with loss</p>\n",
                              view.tally().rows, view.tally().tokens, view.tally().with_loss);
}

std::string fault_html(const Error& error) {
  return fmt::format("<p class=\"fault\">{}</p>\n", escape_html(error.what()));
}

std::string card(const Dataset& dataset, int64_t row, const PreviewOptions& options) {
  Sample sample;
  std::string body;
  try {
    sample = dataset.at(row);
    if (!sample.images.empty()) body += "<div class=\"pictures\">\n";
    for (size_t i = 0; i < sample.images.size(); ++i)
      body += picture_html(sample.images[i], i + 1);
    if (!sample.images.empty()) body += "</div>\n";
    body += text_html(sample, options);
  } catch (const Error& error) {
    body += fault_html(error);
  }
  return "<article>\n" + heading(dataset.place(row), sample) + body + "</article>\n";
}

std::vector<int64_t> chosen_rows(const Dataset& dataset, const PreviewOptions& options) {
  if (!options.rows.empty()) {
    for (const int64_t row : options.rows) {
      if (row < 0 || row >= dataset.size()) {
        fail(ErrorCode::invalid_argument, "{}: row: expected 0 to {}, found {}",
             dataset.path().string(), dataset.size() - 1, row);
      }
    }
    return options.rows;
  }
  std::vector<int64_t> rows(static_cast<size_t>(dataset.size()));
  std::iota(rows.begin(), rows.end(), 0);
  Random random(options.seed);
  shuffle(rows, random);
  rows.resize(std::min(rows.size(), static_cast<size_t>(std::max<int64_t>(options.count, 0))));
  std::ranges::sort(rows);
  return rows;
}

std::string page_head(const std::string& title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
      title, kStyle);
}

constexpr std::string_view kLegend =
    "<p class=\"legend\"><span class=\"loss\">trained on</span> <span class=\"mask\">masked</span> "
    "<span class=\"picture\">picture × its rows</span></p>\n";

}  // namespace

std::string preview_html(const Dataset& dataset, const PreviewOptions& options) {
  const std::vector<int64_t> rows = chosen_rows(dataset, options);
  const std::string path = escape_html(dataset.path().string());
  std::string page = page_head(path);
  page += fmt::format("<h1>{}</h1>\n<div class=\"faint\">{}: {} of {} rows</div>\n", path,
                      kind_name(dataset.kind()), rows.size(), dataset.size());
  if (options.labels.tokenizer != nullptr) page += kLegend;
  for (const int64_t row : rows)
    page += card(dataset, row, options);
  return page + "</body>\n</html>\n";
}

}  // namespace vila::data
