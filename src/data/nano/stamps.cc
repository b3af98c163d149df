// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "data/nano/category.h"
#include "data/nano/generators.h"
#include "data/nano/package.h"
#include "data/nano/pair_tasks.h"
#include "data/nano/phrases.h"

namespace vila::data::nano {

namespace {

namespace fs = std::filesystem;

constexpr int64_t kHeldOutStamps = 150;
constexpr size_t kLongestCaption = 60;
constexpr int kVariants = 3;

/// A stamp: a picture with the English line of the text file beside it.
struct Stamp {
  fs::path picture;
  std::string folder;   // "animals/birds"
  std::string caption;  // "a frog"
  std::string category;
  bool is_photograph = false;
};

/// "ginger root" from "ginger 'root'": quoted words are names too, and a name that is held out must
/// be recognised. Apostrophes inside a word stay.
std::string without_quotes(std::string_view line) {
  const auto is_letter = [&](size_t i) {
    return i < line.size() && std::isalpha(static_cast<unsigned char>(line[i])) != 0;
  };
  std::string kept;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool is_apostrophe = line[i] == '\'' && i > 0 && is_letter(i - 1) && is_letter(i + 1);
    if (is_apostrophe || (line[i] != '\'' && line[i] != '"')) kept.push_back(line[i]);
  }
  return kept;
}

/// "a frog" from "A frog."; "" when it is no short plain caption.
std::string clean_caption(std::string_view first_line) {
  std::string line = without_quotes(first_line.substr(0, first_line.find(". ")));
  while (!line.empty() && std::string_view(" .!\r").find(line.back()) != std::string_view::npos) {
    line.pop_back();
  }
  const bool is_ascii = std::all_of(line.begin(), line.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (line.size() < 3 || line.size() > kLongestCaption || !is_ascii) return "";
  for (const std::string_view article : {"A ", "An ", "The ", "Some "}) {
    if (line.starts_with(article)) line[0] = static_cast<char>(std::tolower(line[0]));
  }
  return line;
}

std::string without_article(std::string_view caption) {
  for (const std::string_view article : {"a ", "an ", "the ", "some "}) {
    if (caption.starts_with(article)) return std::string(caption.substr(article.size()));
  }
  return std::string(caption);
}

std::vector<Stamp> find_stamps(const fs::path& root) {
  std::vector<Stamp> stamps;
  for (const char* suffix : {".png", ".svg"}) {
    for (const fs::path& picture : files_below(root, suffix)) {
      const fs::path text = fs::path(picture).replace_extension(".txt");
      if (!fs::exists(text)) continue;
      const std::vector<std::string> lines = read_lines(text);
      Stamp stamp;
      stamp.picture = picture;
      stamp.folder = fs::relative(picture.parent_path(), root).generic_string();
      if (!lines.empty()) stamp.caption = clean_caption(lines.front());
      if (stamp.caption.empty()) continue;
      stamp.category = stamp_category(stamp.folder);
      stamp.is_photograph = picture.extension() == ".png" && stamp.category != "" &&
                            stamp.category != "symbol" &&
                            stamp.folder.find("cartoon") == std::string::npos;
      stamps.push_back(std::move(stamp));
    }
  }
  return stamps;
}

/// Photographs for the test, as many of each category as it has of all.
std::set<fs::path> choose_held_out(const std::vector<Stamp>& stamps, Random random) {
  std::map<std::string, std::vector<fs::path>> pools;
  int64_t total = 0;
  for (const Stamp& stamp : stamps) {
    if (!stamp.is_photograph) continue;
    pools[stamp.category].push_back(stamp.picture);
    ++total;
  }
  std::set<fs::path> chosen;
  for (auto& [category, pool] : pools) {
    shuffle(pool, random);
    const auto share = (static_cast<int64_t>(pool.size()) * kHeldOutStamps + total - 1) / total;
    for (int64_t i = 0; i < share; ++i) {
      if (static_cast<int64_t>(chosen.size()) < kHeldOutStamps) {
        chosen.insert(pool[static_cast<size_t>(i)]);
      }
    }
  }
  return chosen;
}

PairTask task_for(const Stamp& stamp, const fs::path& root) {
  PairTask task;
  task.key = key_part(fs::relative(stamp.picture, root).replace_extension().generic_string());
  task.pair.label = without_article(stamp.caption);
  task.pair.vendor = "tuxpaint-stamps";
  task.pair.group = stamp.folder;
  task.pair.category = stamp.category;
  task.captions = {stamp.caption, task.pair.label, "a picture of " + stamp.caption};
  task.open = [picture = stamp.picture] {
    if (picture.extension() == ".png") return Drawing::from_png(picture);
    return Drawing::from_svg(read_file(picture), picture.string());
  };
  task.variants = kVariants;
  task.may_mirror = stamp.category != "symbol";
  return task;
}

}  // namespace

void build_stamps(BuildContext& context) {
  const fs::path root = context.debian("share/tuxpaint/stamps", "tuxpaint-stamps-default");
  const std::vector<Stamp> stamps = find_stamps(root);
  const std::set<fs::path> held_out = choose_held_out(stamps, context.random("held-out stamps"));
  std::vector<PairTask> tasks;
  std::vector<std::string> lines;
  for (const Stamp& stamp : stamps) {
    PairTask task = task_for(stamp, root);
    if (held_out.contains(stamp.picture)) {
      Pair pair = task.pair;
      pair.id = "stamp-" + task.key;
      pair.image = "images/test/stamps/" + task.key + ".png";
      pair.text = stamp.caption;
      context.write_picture(pair.image,
                            task.open().render_png(context.options().image_size, Placement()));
      lines.push_back(pair.to_line());
    } else if (!context.names_held_out(stamp.caption)) {
      tasks.push_back(std::move(task));
    }
  }
  context.write_lines("splits/held-out-stamps.jsonl", lines);
  write_pairs(context, "stamps", tasks);
}

}  // namespace vila::data::nano
