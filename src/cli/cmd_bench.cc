// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/cpu_info.h"
#include "cli/bench_speed.h"
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
#include "media/tiling.h"

namespace vila::cli {
namespace {

struct BenchOptions {
  ModelOptions model;
  std::string random;  // "": a model from files
  int64_t prompt = 256;
  int64_t gen = 64;
  int64_t runs = 3;
  int64_t batch = 1;  // answers decoded together
  bool has_image = false;
  bool has_json = false;
};

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

Json limits_json(const Limits& limits) {
  return {{"f32_gflops", limits.f32 / 1e9},
          {"int8_gops", limits.int8 / 1e9},
          {"read_gb_s", limits.read / 1e9}};
}

engine::Engine make_engine(const BenchOptions& options) {
  const int64_t context = options.batch * (options.prompt + options.gen);  // pictures aside
  if (options.random.empty()) return load_engine(options.model, context, options.has_image);
  const spec::VilaConfig config = random_config(options.random);
  check_memory(engine::plan_memory(random_weight_bytes(config), config,
                                   {context, options.has_image ? 1 : 0, kv_dtype(options.model)}),
               options.model);
  engine::LoadOptions load = load_options(options.model);
  if (options.has_image) load.kept_tokens = context;  // for the second question
  engine::Workspace maker(load);
  ThreadPool& pool = maker.context().pool;
  return engine::Engine(model::Vila(random_checkpoint(config, pool), config, pool, load.vision),
                        byte_tokenizer(), load);
}

// One round of measurements: each speed, and the limits right before it. A machine that is shared
// changes by half within minutes, so that a share is of the limit of its own round.
struct Round {
  Limits limits;
  RequestSpeed text;
  RequestSpeed image;
  double batch_tok_s = 0;
};

Round run_round(engine::Engine& engine, const BenchOptions& options) {
  Round round{};
  const BenchRequest request{options.prompt, options.gen, false};
  round.text = run_request(engine, request);
  if (options.batch > 1) round.batch_tok_s = run_batch(engine, request, options.batch);
  if (options.has_image && engine.config().has_vision())
    round.image = run_request(engine, {options.prompt, options.gen, true});
  return round;
}

template <typename Value>
double median_over(std::span<const Round> rounds, const Value& value) {
  std::vector<double> values;
  for (const Round& round : rounds)
    values.push_back(value(round));
  return median(values);
}

RequestSpeed median_speed_of(std::span<const Round> rounds, RequestSpeed Round::*which) {
  std::vector<RequestSpeed> runs;
  for (const Round& round : rounds)
    runs.push_back(round.*which);
  return median_speed(runs);
}

// Shares of the limits that the measured times reach (bench_work.h says what is counted).
void add_shares(const engine::Engine& engine, const BenchOptions& options,
                std::span<const Round> rounds, Json& report) {
  const BenchWork work = bench_work(engine, *bench_picture());
  const bool packs_decoder = engine.model().is_decoder_packed();
  const bool packs_tower = engine.model().is_tower_packed();
  const double context = static_cast<double>(options.prompt) + static_cast<double>(options.gen) / 2;
  Json& text = report["text"];
  text["decode_share_of_read_bandwidth"] = median_over(rounds, [&](const Round& round) {
    return round.text.first.decode_tok_s * work.bytes_per_token(context) / round.limits.read;
  });
  text["prefill_share_of_peak"] = median_over(rounds, [&](const Round& round) {
    const Speed& speed = round.text.first;
    return static_cast<double>(speed.prompt_tokens) / speed.prefill_ms * 1e3 *
           work.operations_per_token / (packs_decoder ? round.limits.int8 : round.limits.f32);
  });
  text["peak"] = packs_decoder ? "int8" : "f32";
  report["work"] = {{"operations_per_token", work.operations_per_token},
                    {"bytes_per_token", work.bytes_per_token(context)}};
  if (!report.contains("image")) return;
  Json& image = report["image"];
  image["vision_share_of_peak"] = median_over(rounds, [&](const Round& round) {
    return work.operations_per_picture / (round.image.first.vision_ms / 1e3) /
           (packs_tower ? round.limits.int8 : round.limits.f32);
  });
  image["peak"] = packs_tower ? "int8" : "f32";
}

// Speeds, shares and limits of all rounds.
void add_speeds(const engine::Engine& engine, const BenchOptions& options,
                std::span<const Round> rounds, Json& report) {
  report["text"] = speed_json(median_speed_of(rounds, &Round::text).first);
  if (options.batch > 1) {
    report["batch"] = {
        {"size", options.batch},
        {"decode_tok_s", median_over(rounds, [](const Round& r) { return r.batch_tok_s; })},
        {"times_one", median_over(rounds, [](const Round& r) {
           return r.batch_tok_s / r.text.first.decode_tok_s;
         })}};
  }
  if (options.has_image && engine.config().has_vision()) {
    const RequestSpeed image = median_speed_of(rounds, &Round::image);
    report["image"] = speed_json(image.first);
    report["second_question"] = speed_json(image.second);
  }
  Limits most;
  for (const Round& round : rounds)
    most.raise_to(round.limits);
  report["limits"] = limits_json(most);
  add_shares(engine, options, rounds, report);
}

// How far the int8 tower is from the float one, on the picture that was measured.
void add_vision_error(engine::Engine& engine, const BenchOptions& options, Json& image) {
  if (options.model.vision != "int8" || !options.random.empty()) return;
  ops::Context& ctx = engine.context();
  const media::ProcessorConfig& processor = engine.config().image_processor;
  const Tensor pixels =
      media::normalise_tiles(media::tile_picture(*bench_picture(), processor).tiles, processor);
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
                 {"weight_bytes", engine.weight_bytes()}};
  run_round(engine, options);                        // warms up
  report["peak_rss_bytes"] = peak_resident_bytes();  // before measuring the limits adds to it
  std::vector<Round> rounds;
  for (int64_t run = 0; run < options.runs; ++run) {
    const Limits limits = Limits::measure(ctx);
    rounds.push_back(run_round(engine, options));
    rounds.back().limits = limits;
  }
  add_speeds(engine, options, rounds, report);
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

void print_batch(const Json& report) {
  if (!report.contains("batch")) return;
  const Json& batch = report["batch"];
  write_out(fmt::format("{} answers decoded together: {:.1f} tokens/s, {:.2f} times one\n",
                        batch["size"].get<int64_t>(), batch["decode_tok_s"].get<double>(),
                        batch["times_one"].get<double>()));
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
  if (report.contains("second_question")) print_speed("again", report["second_question"]);
  print_batch(report);
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
  app.add_option("--batch", options->batch, "Also so many answers decoded together")
      ->type_name("N")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_flag("--image", options->has_image,
               "Also a prompt with a picture, and a second question on it");
  app.add_flag("--json", options->has_json, "One JSON document on stdout");
  return [options] { return bench(*options); };
}

}  // namespace vila::cli
