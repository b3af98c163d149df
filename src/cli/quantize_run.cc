// SPDX-License-Identifier: Apache-2.0
#include "cli/quantize_run.h"

#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"
#include "cli/answer.h"
#include "cli/batch.h"
#include "cli/interrupt.h"
#include "cli/media_loader.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "cli/perplexity.h"
#include "cli/version.h"
#include "engine/workspace.h"
#include "formats/checkpoint.h"
#include "formats/model_package.h"
#include "quantize/card.h"
#include "quantize/quantiser.h"
#include "quantize/vision.h"
#include "text/tokenizer.h"

namespace vila::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCalibrationContext = 4096;

quantize::Target target_of(const QuantizeOptions& options) {
  using quantize::Target;
  for (const Target target : {Target::awq, Target::autoawq, Target::vila, Target::floats}) {
    if (options.target == quantize::target_name(target)) return target;
  }
  const fs::path extension = fs::path(options.out).extension();
  if (extension == ".vila") return Target::vila;
  return extension == ".pt" ? Target::awq : Target::autoawq;
}

void show_progress(const quantize::Progress& progress) {
  const auto seconds = static_cast<int64_t>(progress.seconds_left);
  const bool is_terminal = isatty(STDERR_FILENO) != 0;
  const std::string line =
      fmt::format("layer {}/{}: error {:.3f} %{}, {}:{:02} left", progress.done, progress.total,
                  progress.error.relative * 100, progress.is_resumed ? " (done before)" : "",
                  seconds / 60, seconds % 60);
  if (is_terminal && progress.done < progress.total) {
    fmt::print(stderr, "\r{}   ", line);
  } else {
    print_note((is_terminal ? "\r" : "") + line);
  }
}

/// One run, from a checkpoint's folder to the written result.
class QuantizeRun {
 public:
  explicit QuantizeRun(const QuantizeOptions& options)
      : options_(options),
        model_(resolve_model(options.model.model)),
        checkpoint_(formats::open_checkpoint(model_)),
        package_(formats::open_package(model_)),
        part_(quantize::decoder_part(package_)),
        whole_(spec::read_config(checkpoint_.folder, checkpoint_.vision_folder)),
        config_(whole_.llm),
        target_(target_of(options)) {
    if (!package_.quantised.empty()) {
      print_note(fmt::format("{}: quantised already; its values are rounded once more",
                             model_.filename().string()));
    }
    formats::dequantise_package(package_);
    if (fs::exists(options_.out)) {
      fail(ErrorCode::invalid_argument, "{}: expected a new name, found something there",
           options_.out);
    }
    if (options.has_8bit_vision() && target_ != quantize::Target::vila) {
      fail(ErrorCode::invalid_argument,
           "files of kind {} hold the tower as floats only; write a .vila file for 8 bits",
           quantize::target_name(target_));
    }
    grid_ = {.bits = options.bits, .group = options.group};
    if (target_ == quantize::Target::floats) return;
    grid_.group = quantize::fitting_group(config_, options.group);
    if (grid_.group != options.group) {
      print_note(fmt::format("groups of {}: {} does not divide the inputs of every Linear",
                             grid_.group, options.group));
    }
    const std::string reason = quantize::unfit(target_, config_, grid_);
    if (!reason.empty()) {
      fail(ErrorCode::invalid_argument, "{}; choose another --group or --to", reason);
    }
  }

  Json run() {
    quantize::Options options{.method = quantize::method_named(options_.method), .grid = grid_};
    if (!options_.load_search.empty()) options.search = quantize::read_search(options_.load_search);
    const RequestCalibration calibration = calibrate();
    const std::vector<fs::path> layers = quantise(calibration.decoder, options);
    if (!options_.save_search.empty()) save_search(layers);
    quantize::replace_linears(package_, layers, target_);
    if (options_.has_8bit_head) quantize::round_head(package_, target_);
    if (options_.has_8bit_vision()) round_vision(calibration.vision);
    const Json card = finish(layers, calibration);
    fs::remove_all(work_folder());
    return card;
  }

 private:
  fs::path work_folder() const { return options_.out + ".work"; }

  RequestCalibration calibrate() const {
    if (options_.calibration.empty()) return {random_calibration(), {}};
    if (fs::path(options_.calibration).extension() == ".jsonl") {
      return calibrate_requests(options_.model, options_.calibration, options_.windows.samples);
    }
    const auto tokenizer = text::load_tokenizer(checkpoint_.tokenizer_folder);
    const Tensor& table = package_.parts.at(part_).at("model.embed_tokens.weight");
    quantize::Calibration calibration = quantize::calibrate_text(
        table, tokenizer->encode(read_file(options_.calibration)), options_.windows);
    calibration.description += " of " + fs::path(options_.calibration).filename().string();
    return {calibration, {}};
  }

  // Plain rounding looks at no input; the errors of its card need some.
  quantize::Calibration random_calibration() const {
    constexpr int64_t kTokens = 128;
    if (quantize::method_named(options_.method) != quantize::Method::rtn) {
      fail(ErrorCode::invalid_argument,
           "method {}: expected --calibration FILE, a text or JSON lines of prompts with pictures",
           options_.method);
    }
    Random random(options_.windows.seed);
    std::vector<text::TokenId> ids;
    for (int64_t i = 0; i < kTokens; ++i)
      ids.push_back(static_cast<text::TokenId>(random.below(config_.vocab_size)));
    const Tensor& table = package_.parts.at(part_).at("model.embed_tokens.weight");
    quantize::Calibration calibration = quantize::calibrate_text(table, ids, {.tokens = kTokens});
    calibration.description = fmt::format("{} random tokens", kTokens);
    return calibration;
  }

  std::vector<fs::path> quantise(const quantize::Calibration& calibration,
                                 const quantize::Options& options) const {
    engine::Workspace workspace({.threads = options_.model.threads, .isa = options_.model.isa});
    const InterruptGuard interrupt;
    return quantize::quantise_model(
        workspace.context(), {package_.parts.at(part_), config_}, calibration, options,
        {work_folder(), options_.is_resumed}, [&](const quantize::Progress& progress) {
          show_progress(progress);
          if (interrupt.is_raised() && progress.done < progress.total) {
            fail(ErrorCode::cancelled, "stopped after layer {} of {}; go on with --resume",
                 progress.done, progress.total);
          }
        });
  }

  void round_vision(const model::ActivationMaxima& maxima) {
    ThreadPool alone(1);
    quantize::round_vision(package_, checkpoint_, whole_, maxima, alone);
  }

  std::string vision_text(const RequestCalibration& calibration) const {
    if (!whole_.has_vision()) return {};
    if (!options_.has_8bit_vision()) return "as it was";
    return calibration.vision.empty() ? "8 bits a row, smoothed by its norms' gains"
                                      : "8 bits a row, smoothed by the calibration's maxima";
  }

  void save_search(const std::vector<fs::path>& layers) const {
    quantize::Search search;
    for (const fs::path& path : layers) {
      const quantize::Search part = quantize::read_quantised(path).search;
      search.scales.insert(search.scales.end(), part.scales.begin(), part.scales.end());
      search.clips.insert(search.clips.end(), part.clips.begin(), part.clips.end());
    }
    quantize::write_search(options_.save_search, search);
  }

  Perplexity evaluate(const fs::path& model) const {
    ModelOptions options = options_.model;
    options.model = model.string();
    engine::Engine engine = load_engine(options, options_.eval_context);
    return measure_perplexity(engine, {.text = options_.eval_text,
                                       .context = options_.eval_context,
                                       .windows = options_.eval_windows});
  }

  // The result is written beside its place first, to be evaluated; the card then joins it.
  Json finish(const std::vector<fs::path>& layers, const RequestCalibration& calibration) {
    quantize::Card card{.method = quantize::method_named(options_.method),
                        .grid = grid_,
                        .head = options_.has_8bit_head ? "8 bits a row" : "as it was",
                        .vision = vision_text(calibration),
                        .calibration = calibration.decoder.description,
                        .version = version_text().substr(0, version_text().find('\n'))};
    if (!options_.eval_text.empty()) {
      const fs::path trial =
          work_folder() / (target_ == quantize::Target::vila ? "result.vila" : "result");
      fs::remove_all(trial);
      quantize::write_quantised(trial, package_, target_, weight_name());
      const Perplexity after = evaluate(trial);
      card.perplexity = {.before = evaluate(model_).value(),
                         .after = after.value(),
                         .tokens = after.tokens,
                         .text = fs::path(options_.eval_text).filename().string()};
    }
    const Json json = quantize::card_json(card, layers);
    package_.files[quantize::kCardFile] = json.dump(2) + "\n";
    quantize::write_quantised(options_.out, package_, target_, weight_name());
    return json;
  }

  std::string weight_name() const {
    const std::string name = model_.filename().empty() ? model_.parent_path().filename().string()
                                                       : model_.stem().string();
    return quantize::awq_file_name(name, grid_.group);
  }

  const QuantizeOptions& options_;
  fs::path model_;
  formats::Checkpoint checkpoint_;  // for its config and tokenizer
  formats::ModelPackage package_;
  std::string part_;
  spec::VilaConfig whole_;
  spec::DecoderConfig config_;
  quantize::Target target_;
  quantize::GridOptions grid_;
};

}  // namespace

RequestCalibration calibrate_requests(const ModelOptions& model, const std::string& file,
                                      int64_t samples) {
  engine::Engine engine = load_engine(model, kCalibrationContext);
  RequestCalibration calibration;
  std::vector<Tensor> sequences;
  engine.context().observer = [&](std::string_view name, const Tensor& tensor) {
    if (name == "input_embeds") sequences.push_back(tensor.to(DType::f32));
    model::record_maximum(name, tensor, calibration.vision);
  };
  std::ifstream stream(file);
  if (!stream) fail(ErrorCode::not_found, "{}: expected a file of requests, found none", file);
  MediaLoader media(engine.config());
  BatchOptions batch;
  batch.input = file;
  std::string text;
  for (int64_t number = 1; std::getline(stream, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (static_cast<int64_t>(sequences.size()) == samples) break;
    with_context(fmt::format("{}:{}", file, number), [&] {
      const Json line = parse_json(text, file);
      Question question = parse_batch_line(line, batch, fs::path(file).parent_path(), media);
      question.options.max_tokens = 1;
      engine.generate(make_request(question, engine.chat_template()));
    });
  }
  if (sequences.empty()) fail(ErrorCode::invalid_data, "{}: expected requests, found none", file);
  calibration.decoder = quantize::join_sequences(sequences);
  calibration.decoder.description =
      fmt::format("{} prompts of {}", sequences.size(), fs::path(file).filename().string());
  return calibration;
}

Json run_quantize(const QuantizeOptions& options) {
  return QuantizeRun(options).run();
}

}  // namespace vila::cli
