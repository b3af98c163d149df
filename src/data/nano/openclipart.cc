// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/file.h"
#include "data/nano/generators.h"
#include "data/nano/package.h"
#include "data/nano/pair_tasks.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostDrawings = 4000;
constexpr uintmax_t kMostBytes = 400'000;  // larger ones take seconds to draw
constexpr size_t kLongestTitle = 48;
constexpr int kVariants = 2;

/// Folders whose titles say what is seen, with the category of all they hold ("" where mixed).
struct Folder {
  std::string_view name;
  std::string_view category;
};

constexpr std::array<Folder, 14> kFolders = {{{"animals", "animal"},
                                              {"buildings", ""},
                                              {"containers", "object"},
                                              {"electronics", "object"},
                                              {"food", "food"},
                                              {"office", "object"},
                                              {"people", ""},
                                              {"plants", "plant"},
                                              {"recreation", ""},
                                              {"science", ""},
                                              {"tools", "object"},
                                              {"transportation", ""},
                                              {"education", ""},
                                              {"unsorted", ""}}};

constexpr std::array<std::string_view, 10> kNoTitles = {
    "untitled",   "clipart",       "clip art", "openclipart", "submission",
    "architetto", "public domain", "test",     "icon",        "svg"};

std::string lowered(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// The title of the drawing itself: those of its makers stand in <cc:Agent>.
std::string raw_title(std::string_view svg) {
  constexpr std::string_view kOpen = "<dc:title>";
  const size_t work = svg.find("<cc:Work");
  const size_t open = work == std::string_view::npos ? work : svg.find(kOpen, work);
  if (open == std::string_view::npos) return "";
  const size_t close = svg.find("</dc:title>", open);
  if (close == std::string_view::npos ||
      svg.substr(work, open - work).find("<cc:Agent") != std::string_view::npos) {
    return "";
  }
  return std::string(svg.substr(open + kOpen.size(), close - open - kOpen.size()));
}

}  // namespace

std::string clip_art_title(std::string_view svg) {
  std::string title = lowered(raw_title(svg));
  std::replace(title.begin(), title.end(), '_', ' ');
  std::replace(title.begin(), title.end(), '-', ' ');
  const auto is_edge = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) == 0; };
  while (!title.empty() && is_edge(title.back()))
    title.pop_back();
  title.erase(title.begin(), std::find_if_not(title.begin(), title.end(), is_edge));
  const bool is_plain = std::all_of(title.begin(), title.end(), [](char c) {
    return std::islower(static_cast<unsigned char>(c)) != 0 || c == ' ' || c == '\'';
  });
  const bool is_title =
      title.size() >= 3 && title.size() <= kLongestTitle && is_plain &&
      std::none_of(kNoTitles.begin(), kNoTitles.end(),
                   [&](std::string_view word) { return title.find(word) != std::string::npos; });
  return is_title ? title : "";
}

void build_openclipart(BuildContext& context) {
  const fs::path root = context.debian("share/openclipart/svg", "openclipart-svg");
  std::vector<PairTask> tasks;
  for (const Folder& folder : kFolders) {
    for (const fs::path& file : files_below(root / folder.name, ".svg")) {
      const bool is_series = file.string().find("flag") != std::string::npos ||
                             file.string().find("/cards/") != std::string::npos;
      if (fs::file_size(file) > kMostBytes || is_series) continue;
      const std::string title = clip_art_title(read_file(file));
      if (title.empty() || context.names_held_out(title)) continue;
      PairTask task;
      task.key = key_part(fs::relative(file, root).replace_extension().generic_string());
      task.pair.label = title;
      task.pair.vendor = "openclipart";
      task.pair.group = folder.name;
      task.pair.category = folder.category;
      task.captions = {title, with_article(title), "a drawing of " + with_article(title)};
      task.open = [file] { return Drawing::from_svg(read_file(file), file.string()); };
      task.variants = kVariants;
      tasks.push_back(std::move(task));
    }
  }
  Random random = context.random("openclipart choice");
  shuffle(tasks, random);
  if (tasks.size() > kMostDrawings) tasks.resize(kMostDrawings);
  write_pairs(context, "openclipart", tasks);
}

}  // namespace vila::data::nano
