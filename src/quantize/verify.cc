// SPDX-License-Identifier: Apache-2.0
#include "quantize/verify.h"

#include "base/error.h"
#include "engine/workspace.h"
#include "formats/weight_file.h"
#include "formats/weights.h"
#include "quantize/compare_rows.h"
#include "quantize/float_model.h"
#include "spec/decoder_config.h"

namespace vila::quantize {
namespace {

namespace fs = std::filesystem;
using engine::VerifyRow;

constexpr const char* kSearchFile = "search.safetensors";
constexpr const char* kPackFile = "summary.json";
constexpr const char* kNamesFile = "names.json";
constexpr const char* kExpectedFile = "expected.safetensors";

/// A folder of the case and the logits that were recorded of it.
struct Layout {
  const char* folder;
  const char* logits;
};

constexpr Layout kLayouts[] = {{"vila15-layout/llm", "logits_v2"},
                               {"flat-layout", "logits_flat"},
                               {"autoawq-layout", "logits_autoawq"}};

}  // namespace

bool is_quantisation_case(const fs::path& folder) {
  return fs::exists(folder / kSearchFile) || fs::exists(folder / kPackFile) ||
         (fs::exists(folder / kNamesFile) && fs::exists(folder / kExpectedFile));
}

std::vector<VerifyRow> verify_quantisation(const fs::path& folder,
                                           const engine::LoadOptions& options) {
  if (fs::exists(folder / kSearchFile)) return verify_search(folder, options);
  if (fs::exists(folder / kPackFile)) return verify_pack(folder);
  return verify_files(folder, options);
}

std::vector<VerifyRow> verify_files(const fs::path& folder, const engine::LoadOptions& options) {
  constexpr double kTolerance = 1e-4;
  engine::Workspace workspace(options);
  const formats::TensorMap expected = formats::read_weight_file(folder / kExpectedFile);
  const auto tokens = expected.find("tokens");
  if (tokens == expected.end()) {
    fail(ErrorCode::invalid_data, "{}: expected \"tokens\", found none",
         (folder / kExpectedFile).string());
  }
  std::vector<VerifyRow> rows;
  for (const Layout& layout : kLayouts) {
    const auto logits = expected.find(layout.logits);
    if (!fs::exists(folder / layout.folder) || logits == expected.end()) continue;
    formats::Weights weights = formats::read_weights(folder / layout.folder);
    formats::dequantise_all(weights.quantised, weights.tensors);
    const spec::DecoderConfig config = spec::read_decoder_config(folder / layout.folder);
    const FloatModel model(workspace.context(), weights.tensors, config);
    rows.push_back(
        compare_within(layout.logits, model.logits(tokens->second), logits->second, kTolerance));
  }
  if (rows.empty()) {
    fail(ErrorCode::invalid_data, "{}: expected a folder of a layout with recorded logits",
         folder.string());
  }
  return rows;
}

}  // namespace vila::quantize
