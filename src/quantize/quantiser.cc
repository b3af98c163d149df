// SPDX-License-Identifier: Apache-2.0
#include "quantize/quantiser.h"

#include <algorithm>

#include "base/error.h"
#include "base/stopwatch.h"
#include "quantize/layer_file.h"

namespace vila::quantize {
namespace {

namespace fs = std::filesystem;

fs::path layer_path(const fs::path& folder, int64_t index) {
  return folder / fmt::format("layer-{:03}.safetensors", index);
}

std::string digest_text(const std::string& text) {
  return digest(
      Tensor::view(DType::u8, {static_cast<int64_t>(text.size())}, std::as_const(text).data()));
}

// Of everything that the first layer depends on beside its own weights.
std::string first_fingerprint(const Calibration& calibration, const Options& options) {
  std::string text =
      fmt::format("{} {} {} {} {} {} {}", method_name(options.method), options.grid.bits,
                  options.grid.group, dtype_name(options.grid.arithmetic), options.damping,
                  digest(calibration.rows), fmt::join(calibration.lengths, ","));
  for (const Search::Scale& scale : options.search.scales)
    text += scale.absorber + digest(scale.scales);
  for (const Search::Clip& clip : options.search.clips)
    text += clip.linear + digest(clip.limits);
  return digest_text(text);
}

// Of a layer: of the one before it, and its weights.
std::string next_fingerprint(const std::string& previous, const Block& block) {
  std::string text = previous + digest(block.input_norm) + digest(block.post_attention_norm);
  for (const BlockLinear& linear : block.linears) {
    text += digest(linear.weight);
    if (linear.bias.defined()) text += digest(linear.bias);
  }
  return digest_text(text);
}

void prepare_folder(const WorkFolder& work) {
  if (!work.is_resumed && fs::exists(layer_path(work.path, 0))) {
    fail(ErrorCode::invalid_argument,
         "{}: holds layers of an earlier run; go on with --resume, or delete the folder",
         work.path.string());
  }
  std::error_code error;
  fs::create_directories(work.path, error);
  if (error) fail(ErrorCode::failed, "{}: {}", work.path.string(), error.message());
}

}  // namespace

int64_t fitting_group(const spec::DecoderConfig& config, int64_t wanted) {
  for (const int64_t group : {wanted, int64_t{64}, int64_t{32}}) {
    const bool fits = group <= wanted && config.hidden_size % group == 0 &&
                      config.intermediate_size % group == 0 &&
                      config.num_attention_heads * config.head_dim % group == 0;
    if (fits) return group;
  }
  return wanted;
}

std::vector<fs::path> quantise_model(ops::Context& ctx, const Model& model,
                                     const Calibration& calibration, const Options& options,
                                     const WorkFolder& work, const OnProgress& on_progress) {
  prepare_folder(work);
  const BlockRunner runner(ctx, model.config, calibration.lengths);
  Activations activations{calibration.rows, {}};
  if (options.method == Method::awq_second) activations.quantised = calibration.rows;
  std::string fingerprint = first_fingerprint(calibration, options);
  std::vector<fs::path> files;
  Progress progress;
  progress.total = model.config.num_hidden_layers;
  double seconds = 0;
  int64_t computed = 0;
  for (int64_t i = 0; i < progress.total; ++i) {
    const Stopwatch watch;
    const Block block = load_block(model.tensors, model.config, i);
    fingerprint = next_fingerprint(fingerprint, block);
    files.push_back(layer_path(work.path, i));
    progress.is_resumed = fs::exists(files.back());
    if (progress.is_resumed) {
      const LayerResult layer = read_layer(files.back(), fingerprint);
      advance(runner, block, layer, activations);
      progress.error = layer.error;
    } else {
      const LayerResult layer = quantise_layer(runner, block, options, activations);
      write_layer(files.back(), layer, fingerprint);
      progress.error = layer.error;
      seconds += watch.milliseconds() / 1e3;
      ++computed;
    }
    progress.done = i + 1;
    progress.seconds_left = computed == 0 ? 0
                                          : seconds / static_cast<double>(computed) *
                                                static_cast<double>(progress.total - i - 1);
    on_progress(progress);
  }
  return files;
}

LayerResult read_quantised(const fs::path& path) {
  return read_layer(path, "");
}

}  // namespace vila::quantize
