// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/cpu_info.h"
#include "cli/bench_work.h"
#include "cli/command.h"
#include "cli/gemm_share.h"
#include "cli/median.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/random_model.h"
#include "engine/vision_error.h"
#include "formats/checkpoint.h"
#include "kernels/peak.h"
#include "media/tiling.h"
#include "model/kv_cache.h"
#include "spec/prompt.h"

namespace vila::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  std::string random;  // "": a model from files
  int64_t prompt = 256;
  int64_t gen = 64;
  int64_t runs = 3;
  bool has_image = false;
  bool has_json = false;
};

// Medians over the runs of one kind of request.
struct Speed {
  int64_t prompt_tokens = 0;
  double media_ms = 0;
  double vision_ms = 0;
  double prefill_ms = 0;
  double decode_tok_s = 0;

  double time_to_first_token_ms() const { return media_ms + vision_ms + prefill_ms; }
};

// A prompt of exactly `tokens` ids, or as near as words allow.
std::string prompt_of(const text::Tokenizer& tokenizer, int64_t tokens) {
  std::string prompt;
  while (static_cast<int64_t>(spec::tokenize_prompt(tokenizer, prompt + " a").size()) <= tokens) {
    prompt += " a";
  }
  return prompt;
}

// A picture with something in every place; new each time, or the engine would know it.
std::shared_ptr<const media::Image> make_image() {
  constexpr int64_t kWidth = 640;
  constexpr int64_t kHeight = 480;
  auto image = std::make_shared<media::Image>(kWidth, kHeight);
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      uint8_t* pixel = image->at(x, y);
      pixel[0] = static_cast<uint8_t>(x * y / 7);
      pixel[1] = static_cast<uint8_t>(x / 3);
      pixel[2] = static_cast<uint8_t>(y / 2);
    }
  }
  return image;
}

Speed measure(engine::Engine& engine, const BenchOptions& options, bool with_image) {
  engine::Request request{
      .prompt = prompt_of(engine.tokenizer(), options.prompt), .images = {}, .options = {}};
  request.options.temperature = 0;
  request.options.max_tokens = options.gen;
  request.options.ignore_eos = true;
  request.options.speculate = engine::Speculate::off;  // a filler text is guessed too well
  if (with_image) request.prompt = std::string(spec::kImagePlaceholder) + request.prompt;
  Speed speed;
  std::vector<double> media, vision, prefill, decode;
  for (int64_t run = -1; run < options.runs; ++run) {  // the first warms up
    if (with_image) request.images = {make_image()};
    const engine::Result result = engine.generate(request);
    if (run < 0) continue;
    speed.prompt_tokens = result.usage.prompt_tokens;
    media.push_back(result.timings.media);
    vision.push_back(result.timings.vision);
    prefill.push_back(result.timings.prefill);
    decode.push_back(static_cast<double>(result.usage.completion_tokens) / result.timings.decode *
                     1e3);
  }
  speed.media_ms = median(media);
  speed.vision_ms = median(vision);
  speed.prefill_ms = median(prefill);
  speed.decode_tok_s = median(decode);
  return speed;
}

Json speed_json(const Speed& speed) {
  return {{"prompt_tokens", speed.prompt_tokens},
          {"prefill_tok_s", static_cast<double>(speed.prompt_tokens) / speed.prefill_ms * 1e3},
          {"decode_tok_s", speed.decode_tok_s},
          {"media_ms", speed.media_ms},
          {"vision_ms", speed.vision_ms},
          {"time_to_first_token_ms", speed.time_to_first_token_ms()}};
}

Json gemm_json(ops::Context& ctx, const spec::VisionConfig& vision, const std::string& tower,
               int64_t runs) {
  Json rows = Json::array();
  for (const GemmShape& shape : layer_shapes(vision)) {
    const GemmSpeed speed = measure_gemm(ctx, shape, runs);
    rows.push_back({{"tower", tower},
                    {"rows", shape.rows},
                    {"depth", shape.depth},
                    {"columns", shape.columns},
                    {"gflops", speed.flops / 1e9},
                    {"share_of_peak", speed.share()}});
  }
  return rows;
}

// What the machine can do at most, the highest of several measurements.
struct Limits {
  double f32 = 0;   // operations per second
  double int8 = 0;  // the same
  double read = 0;  // bytes per second

  void measure(ops::Context& ctx) {
    f32 = std::max(f32, kernels::measure_fma_peak(ctx.kernels, ctx.pool));
    int8 = std::max(int8, kernels::measure_dot_peak(ctx.kernels, ctx.pool));
    read = std::max(read, kernels::measure_read_bandwidth(ctx.kernels, ctx.pool));
  }

  Json json() const {
    return {{"f32_gflops", f32 / 1e9}, {"int8_gops", int8 / 1e9}, {"read_gb_s", read / 1e9}};
  }
};

engine::Engine make_engine(const BenchOptions& options) {
  const int64_t context = options.prompt + options.gen;
  if (options.random.empty()) return load_engine(options.model, context);
  const spec::VilaConfig config = random_config(options.random);
  check_memory({.weights = random_weight_bytes(config),
                .kv_cache = model::KvCache::bytes(config.llm, context, kv_dtype(options.model))},
               options.model);
  const engine::LoadOptions load = load_options(options.model);
  engine::Workspace maker(load);
  ThreadPool& pool = maker.context().pool;
  return engine::Engine(model::Vila(random_checkpoint(config, pool), config, pool, load.vision),
                        byte_tokenizer(), load);
}

// Shares of the limits that the measured times reach (bench_work.h says what is counted).
void add_shares(const engine::Engine& engine, const BenchOptions& options, const Limits& limits,
                Json& report) {
  const BenchWork work = bench_work(engine, *make_image());
  const bool packs_decoder = engine.model().is_decoder_packed();
  const bool packs_tower = engine.model().is_tower_packed();
  const double context = static_cast<double>(options.prompt) + static_cast<double>(options.gen) / 2;
  Json& text = report["text"];
  text["decode_share_of_read_bandwidth"] =
      text["decode_tok_s"].get<double>() * work.bytes_per_token(context) / limits.read;
  text["prefill_share_of_peak"] = text["prefill_tok_s"].get<double>() * work.operations_per_token /
                                  (packs_decoder ? limits.int8 : limits.f32);
  text["peak"] = packs_decoder ? "int8" : "f32";
  if (!report.contains("image")) return;
  Json& image = report["image"];
  image["vision_share_of_peak"] = work.operations_per_picture /
                                  (image["vision_ms"].get<double>() / 1e3) /
                                  (packs_tower ? limits.int8 : limits.f32);
  image["peak"] = packs_tower ? "int8" : "f32";
}

// How far the int8 tower is from the float one, on the picture that was measured.
void add_vision_error(engine::Engine& engine, const BenchOptions& options, Json& image) {
  if (options.model.vision != "int8" || !options.random.empty()) return;
  ops::Context& ctx = engine.context();
  const media::ProcessorConfig& processor = engine.config().image_processor;
  const Tensor pixels =
      media::normalise_tiles(media::tile_picture(*make_image(), processor).tiles, processor);
  const model::Vila truth =
      model::Vila::load(formats::open_checkpoint(resolve_model(options.model.model)), ctx.pool);
  const engine::RowDistance distance = engine::compare_vision(engine.model(), truth, ctx, pixels);
  image["cosine_to_float"] = {{"mean", distance.mean_cosine}, {"least", distance.least_cosine}};
}

Json gemm_rows(engine::Engine& engine, int64_t runs) {
  const spec::VisionConfig clip_large;  // VILA-7b's tower: the defaults of VisionConfig
  Json rows = gemm_json(engine.context(), clip_large, "clip-vit-large-336", runs);
  if (engine.config().has_vision()) {
    const Json own = gemm_json(engine.context(), *engine.config().vision, "model", runs);
    rows.insert(rows.end(), own.begin(), own.end());
  }
  return rows;
}

Json make_report(const BenchOptions& options) {
  engine::Engine engine = make_engine(options);
  ops::Context& ctx = engine.context();
  Json report = {{"cpu", detect_cpu().model},
                 {"isa", ctx.kernels.isa},
                 {"threads", ctx.pool.size()},
                 {"runs", options.runs},
                 {"model", options.random.empty() ? options.model.model : options.random},
                 {"load_ms", engine.load_ms()},
                 {"weight_bytes", engine.weight_bytes()},
                 {"text", speed_json(measure(engine, options, false))}};
  if (options.has_image && engine.config().has_vision())
    report["image"] = speed_json(measure(engine, options, true));
  report["peak_rss_bytes"] = peak_resident_bytes();  // before the measurements below add theirs
  Limits limits;
  for (int i = 0; i < 2; ++i)
    limits.measure(ctx);
  report["limits"] = limits.json();
  add_shares(engine, options, limits, report);
  if (report.contains("image")) add_vision_error(engine, options, report["image"]);
  if (options.random.empty()) report["gemm"] = gemm_rows(engine, options.runs);
  return report;
}

void print_speed(const char* name, const Json& speed) {
  write_out(fmt::format(
      "{:<6} prompt of {} tokens: {:.1f} tokens/s, answer: {:.1f} tokens/s, first token after "
      "{:.1f} ms (picture {:.1f} ms)\n",
      name, speed["prompt_tokens"].get<int64_t>(), speed["prefill_tok_s"].get<double>(),
      speed["decode_tok_s"].get<double>(), speed["time_to_first_token_ms"].get<double>(),
      speed["media_ms"].get<double>() + speed["vision_ms"].get<double>()));
}

void print_shares(const Json& report) {
  const Json& limits = report["limits"];
  write_out(fmt::format(
      "limits of this machine: {:.0f} f32 Gflop/s, {:.0f} int8 Gop/s, {:.1f} GB/s read\n",
      limits["f32_gflops"].get<double>(), limits["int8_gops"].get<double>(),
      limits["read_gb_s"].get<double>()));
  const Json& text = report["text"];
  write_out(fmt::format(
      "decode reads at {:.0f} % of that, prefill computes at {:.0f} % of the {} peak\n",
      100 * text["decode_share_of_read_bandwidth"].get<double>(),
      100 * text["prefill_share_of_peak"].get<double>(), text["peak"].get<std::string>()));
  if (!report.contains("image")) return;
  const Json& image = report["image"];
  write_out(fmt::format("the tower computes at {:.0f} % of the {} peak\n",
                        100 * image["vision_share_of_peak"].get<double>(),
                        image["peak"].get<std::string>()));
  if (!image.contains("cosine_to_float")) return;
  write_out(fmt::format("rows of the picture, cosine to float: mean {:.6f}, least {:.6f}\n",
                        image["cosine_to_float"]["mean"].get<double>(),
                        image["cosine_to_float"]["least"].get<double>()));
}

void print_report(const Json& report) {
  write_out(fmt::format(
      "{}, {} threads, {}; load {:.0f} ms, weights {:.1f} MB, peak memory {:.1f} MB\n",
      report["cpu"].get<std::string>(), report["threads"].get<int>(),
      report["isa"].get<std::string>(), report["load_ms"].get<double>(),
      report["weight_bytes"].get<double>() / 1e6, report["peak_rss_bytes"].get<double>() / 1e6));
  print_speed("text", report["text"]);
  if (report.contains("image")) print_speed("image", report["image"]);
  print_shares(report);
  for (const Json& row : report.value("gemm", Json::array())) {
    write_out(fmt::format("gemm {:<20} [{} x {}] x {}: {:.0f} Gflop/s, {:.0f} % of peak\n",
                          row["tower"].get<std::string>(), row["rows"].get<int64_t>(),
                          row["depth"].get<int64_t>(), row["columns"].get<int64_t>(),
                          row["gflops"].get<double>(), 100 * row["share_of_peak"].get<double>()));
  }
}

int bench(const BenchOptions& options) {
  const Json report = make_report(options);
  if (options.has_json) {
    write_json(report);
  } else {
    print_report(report);
  }
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  add_engine_options(app, options->model);
  app.add_option("--random", options->random,
                 "Random weights of a published model's shapes instead of a model from files")
      ->type_name("NAME")
      ->check(CLI::IsMember(random_model_names()))
      ->excludes("--model");
  app.add_option("--prompt", options->prompt, "Tokens of the prompt")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--gen", options->gen, "Tokens of the answer")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--runs", options->runs, "Runs; medians are shown")
      ->type_name("N")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--image", options->has_image, "Also a prompt with a picture");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return bench(*options); };
}

}  // namespace vila::cli
