// SPDX-License-Identifier: Apache-2.0
// Tiny models of every family and adapters onto them against transformers and PEFT: the cases that
// tests/oracle/make_models.py wrote to tests/data/oracle, and those in $VILA_ORACLE_CASES.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "model/vila.h"
#include "support/machine.h"
#include "tensor/compare.h"

namespace vila::model {
namespace {

namespace fs = std::filesystem;

// Ten times what float32 differs from float64 in models of this size, as a share of the largest
// magnitude (README of the reference cases).
constexpr double kTolerance = 3e-5;

void add_cases(const fs::path& folder, std::vector<std::string>& cases) {
  if (!fs::exists(folder)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    cases.push_back(entry.path().string());
}

std::vector<std::string> all_cases() {
  std::vector<std::string> cases;
  add_cases(fs::path(VILA_SOURCE_DIR) / "tests/data/oracle", cases);
  if (const char* more = std::getenv("VILA_ORACLE_CASES")) add_cases(more, cases);
  std::ranges::sort(cases);
  return cases;
}

/// A case in one of the ways in which it can be opened.
struct Opened {
  std::string name;
  formats::ModelSource source;
};

std::vector<Opened> ways_to_open(const fs::path& folder) {
  if (!fs::exists(folder / "adapter")) return {{"whole", folder}};
  const auto with = [&](formats::AdapterPlace place) {
    formats::ModelSource source(folder / "adapter");
    source.adapter = place;
    return source;
  };
  std::vector<Opened> ways = {{"auto", with(formats::AdapterPlace::beside_packed)},
                              {"apart", with(formats::AdapterPlace::beside)}};
  // What PEFT trains there is no change to one table: the output matrix keeps the old one.
  const bool is_shared = folder.string().find("embedding-tied") != std::string::npos;
  if (!is_shared) ways.push_back({"merged", with(formats::AdapterPlace::merged)});
  return ways;
}

class OracleParity : public testing::TestWithParam<std::string> {
 protected:
  void expect_near(const Tensor& actual, const char* name) const {
    const Difference difference = compare(actual, expected_.at(name));
    EXPECT_LE(difference.relative(), kTolerance)
        << name << ": max abs " << difference.max_abs << " of " << difference.max_expected;
  }

  /// Input rows of the recorded ids, pictures spliced in.
  Tensor rows_of(const Vila& vila, ops::Context& ctx) const {
    const auto ids = expected_.at("ids").values<int32_t>();
    if (!expected_.contains("pixels")) return vila.embed(ctx, ids);
    const Tensor pictures = vila.encode_images(ctx, expected_.at("pixels"));
    expect_near(pictures, "projector_output");
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < pictures.dim(0); ++i)
      rows.push_back(pictures.rows(i, i + 1));
    const spec::Splice layout = spec::splice(ids, std::ssize(rows), pictures.dim(1), 0);
    return vila.embed(ctx, ids, layout, rows);
  }

  void check(const formats::ModelSource& source) const {
    test::Machine machine;
    const Vila vila = Vila::load(formats::open_checkpoint(source), machine.pool);
    const Tensor rows = rows_of(vila, machine.ctx);
    KvCache cache(vila.config().llm, rows.dim(0));
    const SequenceStep step{&cache, rows.dim(0)};
    expect_near(vila.decode(machine.ctx, rows, {&step, 1}, true), "logits");
  }

  formats::TensorMap expected_ =
      formats::read_safetensors(fs::path(GetParam()) / "expected.safetensors").tensors;
};

TEST_P(OracleParity, EveryPictureAndLogitEqualsTransformers) {
  for (const Opened& way : ways_to_open(GetParam())) {
    SCOPED_TRACE(GetParam() + ", " + way.name);
    check(way.source);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OracleParity, testing::ValuesIn(all_cases()), [](const auto& row) {
  std::string name = fs::path(row.param).filename().string();
  std::ranges::replace_if(
      name, [](char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace vila::model
