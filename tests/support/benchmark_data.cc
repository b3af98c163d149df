// SPDX-License-Identifier: Apache-2.0
#include "support/benchmark_data.h"

#include <functional>
#include <map>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace vila::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kCount = 4;
constexpr const char* kWord = "\nAnswer the question using a single word or phrase.";
constexpr const char* kLetter =
    "\nAnswer with the option's letter from the given choices directly.";

// One folder being written.
struct Folder {
  fs::path root;
  std::string_view picture;

  void write(const fs::path& name, std::string_view content) const {
    fs::create_directories((root / name).parent_path());
    write_file(root / name, content);
  }

  void save_picture(const fs::path& name) const { write(name, picture); }
};

std::string lines(const std::vector<json>& rows) {
  std::string text;
  for (const json& row : rows)
    text += row.dump() + "\n";
  return text;
}

json question(const json& id, const std::string& image, const std::string& text,
              const std::string& category = "default") {
  return {{"question_id", id}, {"image", image}, {"text", text}, {"category", category}};
}

std::string numbered(const std::string& prefix, int number, const std::string& suffix = ".jpg") {
  return prefix + std::to_string(number) + suffix;
}

json ten_answers(const std::string& first, const std::string& rest) {
  json answers = json::array();
  for (int i = 0; i < 10; ++i) {
    answers.push_back(
        {{"answer", i < 4 ? first : rest}, {"answer_confidence", "yes"}, {"answer_id", i + 1}});
  }
  return answers;
}

void write_vqav2(const Folder& folder) {
  json questions = {{"data_subtype", "val2014"}, {"questions", json::array()}};
  json annotations = {{"data_subtype", "val2014"}, {"annotations", json::array()}};
  for (int i = 0; i < kCount; ++i) {
    questions["questions"].push_back(
        {{"image_id", i / 2}, {"question", "What is this?"}, {"question_id", i}});
    annotations["annotations"].push_back({{"question_id", i},
                                          {"image_id", i / 2},
                                          {"question_type", "what is"},
                                          {"answer_type", "other"},
                                          {"answers", ten_answers("cat", "dog")}});
  }
  folder.write("v2_OpenEnded_mscoco_val2014_questions.json", questions.dump());
  folder.write("v2_mscoco_val2014_annotations.json", annotations.dump());
  for (int i = 0; i < kCount / 2; ++i)
    folder.save_picture("val2014/COCO_val2014_00000000000" + std::to_string(i) + ".jpg");
}

void write_gqa(const Folder& folder) {
  std::vector<json> rows;
  json gold = json::object();
  for (int i = 0; i < kCount; ++i) {
    const std::string id = "2010" + std::to_string(i);
    rows.push_back(question(id, numbered("n", i), std::string("Is it red?") + kWord));
    gold[id] = {{"question", "Is it red?"},
                {"imageId", numbered("n", i, "")},
                {"answer", i % 2 == 0 ? "yes" : "no"},
                {"isBalanced", true},
                {"groups", {{"global", "color"}, {"local", "x"}}},
                {"types", {{"structural", "verify"}, {"semantic", "attr"}, {"detailed", "x"}}},
                {"semantic", json::array({{{"operation", "select"}, {"argument", "x"}}})}};
    folder.save_picture(fs::path("images") / numbered("n", i));
  }
  folder.write("llava_gqa_testdev_balanced.jsonl", lines(rows));
  folder.write("testdev_balanced_questions.json", gold.dump());
}

void write_vizwiz(const Folder& folder) {
  json rows = json::array();
  for (int i = 0; i < kCount; ++i) {
    const std::string image = numbered("VizWiz_val_0000000", i);
    rows.push_back({{"image", image},
                    {"question", "What is this?"},
                    {"answers", ten_answers("unanswerable", "cat")},
                    {"answer_type", "other"},
                    {"answerable", i % 2}});
    folder.save_picture(fs::path("val") / image);
  }
  folder.write("val.json", rows.dump());
}

void write_scienceqa(const Folder& folder) {
  json rows = json::array();
  for (int i = 0; i < kCount; ++i) {
    const bool has_image = i % 2 == 0;
    const std::string text = "Which?\nA. cat\nB. dog";
    json row = {{"id", std::to_string(i)},
                {"conversations",
                 json::array({{{"from", "human"}, {"value", (has_image ? "<image>\n" : "") + text}},
                              {{"from", "gpt"}, {"value", "A"}}})}};
    if (has_image) {
      row["image"] = std::to_string(i) + "/image.png";
      folder.save_picture(fs::path("images/test") / std::to_string(i) / "image.png");
    }
    rows.push_back(row);
  }
  folder.write("llava_test_CQM-A.json", rows.dump());
}

void write_textvqa(const Folder& folder) {
  std::vector<json> rows;
  json gold = {{"dataset_name", "textvqa"}, {"data", json::array()}};
  for (int i = 0; i < kCount; ++i) {
    const std::string image = "00ab" + std::to_string(i / 2);
    const std::string text = numbered("What is word ", i, "?");
    rows.push_back(question(image, "train_images/" + image + ".jpg",
                            text + "\nReference OCR token: STOP" + kWord));
    json answers = json::array();
    for (int k = 0; k < 10; ++k)
      answers.push_back(k < 5 ? "stop" : "go");
    gold["data"].push_back(
        {{"question_id", i}, {"question", text}, {"image_id", image}, {"answers", answers}});
    folder.save_picture("train_images/" + image + ".jpg");
  }
  folder.write("llava_textvqa_val_v051_ocr.jsonl", lines(rows));
  folder.write("TextVQA_0.5.1_val.json", gold.dump());
}

void write_pope(const Folder& folder) {
  std::vector<json> rows;
  int start = 0;
  for (const char* category : {"adversarial", "popular", "random"}) {
    std::vector<json> labels;
    for (int i = 0; i < kCount; ++i) {
      const std::string text = "Is there a dog in the image?";
      rows.push_back(question(start + i, "COCO_val2014_1.jpg", text + kWord, category));
      labels.push_back({{"question_id", i + 1},
                        {"image", "COCO_val2014_1.jpg"},
                        {"text", text},
                        {"label", i % 2 == 0 ? "yes" : "no"}});
    }
    folder.write(std::string("coco/coco_pope_") + category + ".json", lines(labels));
    start += 10'000'000;
  }
  folder.write("llava_pope_test.jsonl", lines(rows));
  folder.save_picture("val2014/COCO_val2014_1.jpg");
}

void write_mme(const Folder& folder) {
  std::vector<json> rows;
  for (const char* file : {"color/1.jpg", "landmark/images/2.jpg", "code_reasoning/3.png"}) {
    for (const char* text : {"Is it red?", "Is it blue?"})
      rows.push_back(question(file, file, std::string(text) + kWord));
    folder.save_picture(fs::path("MME_Benchmark_release_version") / file);
  }
  const std::string gold =
      "Is it red? Please answer yes or no.\tYes\nIs it blue? Please answer yes or no.\tNo\n";
  for (const char* file :
       {"color/1.txt", "landmark/questions_answers_YN/2.txt", "code_reasoning/3.txt"})
    folder.write(fs::path("MME_Benchmark_release_version") / file, gold);
  folder.write("llava_mme.jsonl", lines(rows));
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      const auto byte = i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U;
      bits = bits << 8 | byte;
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

void write_mmbench(const Folder& folder, const std::string& name) {
  std::string table =
      "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\tsource\tl2-category\tcomment\t"
      "split\n";
  for (int question = 0; question < 2; ++question) {
    for (int pass = 0; pass < 2; ++pass) {
      const int index = question + pass * 1'000'000;
      table += std::to_string(index) + "\tWhich?\t\t" + (pass == 0 ? "cat\tdog" : "dog\tcat") +
               "\t\t\t" + (pass == 0 ? "A" : "B") + "\tobject\t" + base64(folder.picture) +
               "\tx\tCP\t\tdev\n";
    }
  }
  folder.write(name, table);
}

void write_seed_bench(const Folder& folder) {
  std::vector<json> rows;
  json gold = {{"questions", json::array()}, {"question_type", {{"Scene", 1}, {"Action", 10}}}};
  for (int i = 0; i < kCount; ++i) {
    const bool is_image = i % 2 == 0;
    const std::string id = (is_image ? "" : "v") + std::to_string(i);
    const std::string image =
        is_image ? "SEED-Bench-image/" + id : "SEED-Bench-video-image/10_" + id + ".png";
    rows.push_back(question(is_image ? json(i) : json(id), image,
                            std::string("Which?\nA. a\nB. b\nC. c\nD. d") + kLetter));
    gold["questions"].push_back({{"question_id", id},
                                 {"answer", "A"},
                                 {"data_type", is_image ? "image" : "video"},
                                 {"question_type_id", is_image ? 1 : 10}});
    folder.save_picture(image);
  }
  folder.write("llava-seed-bench.jsonl", lines(rows));
  folder.write("SEED-Bench.json", gold.dump());
}

void write_llava_bench(const Folder& folder) {
  std::vector<json> rows;
  std::vector<json> reviews;
  for (int i = 0; i < kCount; ++i) {
    rows.push_back(question(i, "001.jpg", "What is this?", "conv"));
    reviews.push_back({{"question_id", i},
                       {"category", "llava_bench_conv"},
                       {"content", "8 6\nfine"},
                       {"tuple", {8.0, 6.0}}});
  }
  folder.write("questions.jsonl", lines(rows));
  folder.write("reviews/model.jsonl", lines(reviews));
  folder.save_picture("images/001.jpg");
}

void write_mm_vet(const Folder& folder) {
  json gold = json::object();
  json grades = json::object();
  for (int i = 0; i < kCount; ++i) {
    const std::string id = "v1_" + std::to_string(i);
    gold[id] = {{"imagename", id + ".png"},
                {"question", "What is this?"},
                {"answer", "a cat"},
                {"capability", {"rec"}}};
    grades[id] = {{"model", {"m"}}, {"content", {"0.5"}}, {"score", {0.5}}};
    folder.save_picture("images/" + id + ".png");
  }
  folder.write("mm-vet.json", gold.dump());
  folder.write("model_gpt-4-0613-grade-1runs.json", grades.dump());
}

// VLMEvalKit's form, two splits, the second row with the picture of the first.
void write_table(const Folder& folder, const std::string& name) {
  std::string table = "index\tquestion\tanswer\timage\tcategory\tsplit\n";
  for (int i = 0; i < kCount; ++i) {
    table += std::to_string(i) + "\tWhat is this?\tcat\t" +
             (i == 1 ? "0" : base64(folder.picture)) + "\tanimal\t" +
             (i < 2 ? "human" : "augmented") + "\n";
  }
  folder.write(name, table);
}

}  // namespace

int write_benchmark(const fs::path& root, const std::string& task, std::string_view picture) {
  const Folder folder{root, picture};
  const std::map<std::string, std::function<void()>> writers = {
      {"vqav2", [&] { write_vqav2(folder); }},
      {"gqa", [&] { write_gqa(folder); }},
      {"vizwiz", [&] { write_vizwiz(folder); }},
      {"scienceqa", [&] { write_scienceqa(folder); }},
      {"textvqa", [&] { write_textvqa(folder); }},
      {"pope", [&] { write_pope(folder); }},
      {"mme", [&] { write_mme(folder); }},
      {"mmbench", [&] { write_mmbench(folder, "mmbench_dev_20230712.tsv"); }},
      {"mmbench-cn", [&] { write_mmbench(folder, "mmbench_dev_cn_20231003.tsv"); }},
      {"seed-bench", [&] { write_seed_bench(folder); }},
      {"llava-bench", [&] { write_llava_bench(folder); }},
      {"mm-vet", [&] { write_mm_vet(folder); }},
      {"chartqa", [&] { write_table(folder, "ChartQA_TEST.tsv"); }},
      {"docvqa", [&] { write_table(folder, "DocVQA_VAL.tsv"); }},
      {"tsv", [&] { write_table(folder, "mine.tsv"); }}};
  writers.at(task)();
  if (task == "pope") return 3 * kCount;
  return task == "mme" ? 6 : kCount;
}

}  // namespace vila::test
