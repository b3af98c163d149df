// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>

#include <ATen/Parallel.h>

#include "base/core_count.h"
#include "base/error.h"
#include "base/file.h"
#include "base/stopwatch.h"
#include "train/optimizer.h"
#include "train/run_log.h"
#include "train/schedule.h"
#include "train/task.h"
#include "train/torch_compat.h"
#include "train/training_state.h"

namespace vila::train {
namespace {

namespace fs = std::filesystem;

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string duration_text(double seconds) {
  const auto minutes = static_cast<int64_t>(std::lround(seconds / 60.0));
  return minutes < 60 ? fmt::format("{} min", minutes)
                      : fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

/// Sums of what happened since the last line of the log.
struct Window {
  double loss = 0.0;
  int64_t batches = 0;
  int64_t rows = 0;
  int64_t pictures = 0;
  double gradient_norm = 0.0;
  Stopwatch clock;

  void add(const BatchReport& report) {
    loss += report.loss;
    rows += report.rows;
    pictures += report.pictures;
    ++batches;
  }
};

class Trainer {
 public:
  Trainer(const Recipe& recipe, const RunOptions& options)
      : recipe_(recipe),
        options_(options),
        task_(recipe.stage == Stage::tower ? make_contrastive_task(recipe, options.log)
                                           : make_language_task(recipe, options.log)),
        optimizer_(task_->parameters(), recipe.optimizer) {}

  void run();

 private:
  int64_t planned_steps(const std::optional<Progress>& restored);
  void start();
  void step();
  void report();
  void validate();

  void save() { save_state(recipe_.output / "state", progress_, task_->parameters(), optimizer_); }

  void finish();

  bool is_due(int64_t every) const { return every > 0 && progress_.step % every == 0; }

  void say(const std::string& text) const {
    if (options_.log) options_.log(LogLevel::info, text);
  }

  const Recipe& recipe_;
  const RunOptions& options_;
  std::unique_ptr<Task> task_;
  Optimizer optimizer_;
  Progress progress_;
  std::unique_ptr<JsonlLog> jsonl_;
  std::unique_ptr<TensorboardLog> tensorboard_;
  Window window_;
  double factor_ = 0.0;
};

/// The steps that the recipe asks for now; where it counts epochs, those a state was begun with.
int64_t Trainer::planned_steps(const std::optional<Progress>& restored) {
  if (recipe_.train.steps > 0) return recipe_.train.steps;
  if (restored) return restored->steps;
  const double epochs = recipe_.train.epochs * task_->batches_per_epoch();
  return static_cast<int64_t>(
      std::ceil(epochs / static_cast<double>(recipe_.train.gradient_accumulation)));
}

void Trainer::start() {
  const fs::path state = recipe_.output / "state";
  if (options_.existing == Existing::overwrite) fs::remove_all(state);
  const auto restored = restore_state(state, task_->parameters(), optimizer_);
  const int64_t steps = planned_steps(restored);
  if (restored) progress_ = *restored;
  if (restored && steps != restored->steps) {
    say(
        fmt::format("the recipe asks for {} steps now, the run was begun with {}: the learning "
                    "rate goes on by the new length",
                    steps, restored->steps));
  }
  progress_.steps = steps;
  int64_t count = 0;
  int64_t trained = 0;
  const ParameterSet& parameters = task_->parameters();
  for (int64_t i = 0; i < parameters.size(); ++i) {
    count += parameters.row(i).shape.numel();
    if (!parameters.is_frozen(i)) trained += parameters.row(i).shape.numel();
  }
  say(fmt::format("{}: {} parameters, {} trained; step {} of {}", stage_name(recipe_.stage), count,
                  trained, progress_.step, progress_.steps));
  const fs::path logs = recipe_.output / "logs";
  jsonl_ = std::make_unique<JsonlLog>(logs / "train.jsonl", progress_.step);
  tensorboard_ = std::make_unique<TensorboardLog>(logs, progress_.step, unix_time());
  write_file(recipe_.output / "recipe.yaml", recipe_.text);
}

void Trainer::step() {
  const int64_t batches = recipe_.train.gradient_accumulation;
  for (int64_t i = 0; i < batches; ++i) {
    window_.add(task_->accumulate(progress_.cursor, 1.0 / static_cast<double>(batches)));
  }
  factor_ = learning_rate_factor(recipe_.optimizer, progress_.step, progress_.steps);
  window_.gradient_norm = optimizer_.step(factor_, recipe_.train.max_grad_norm);
  ++progress_.step;
  if (!std::isfinite(window_.gradient_norm)) {
    say(fmt::format("step {}: the gradient is not finite; step left out", progress_.step));
  }
}

void Trainer::report() {
  const double seconds = window_.clock.seconds();
  const double loss = window_.loss / static_cast<double>(window_.batches);
  const double lr = recipe_.optimizer.lr * factor_;
  const auto steps = static_cast<double>(window_.batches) /
                     static_cast<double>(recipe_.train.gradient_accumulation);
  const double left = static_cast<double>(progress_.steps - progress_.step) * seconds / steps;
  const Figures figures = {
      {"loss", loss},
      {"lr", lr},
      {"gradient_norm", window_.gradient_norm},
      {"tokens_per_second", static_cast<double>(window_.rows) / seconds},
      {"pictures_per_second", static_cast<double>(window_.pictures) / seconds}};
  jsonl_->write(progress_.step, figures);
  tensorboard_->write(progress_.step, unix_time(), figures);
  say(fmt::format(
      "step {}/{}  loss {:.4f}  lr {:.2e}  norm {:.2f}  {:.0f} tokens/s  {:.0f} pictures/s"
      "  {} left",
      progress_.step, progress_.steps, loss, lr, window_.gradient_norm,
      figures.at("tokens_per_second"), figures.at("pictures_per_second"), duration_text(left)));
  window_ = {};
}

void Trainer::validate() {
  Figures figures;
  for (const auto& [name, value] : task_->validate())
    figures["validation/" + name] = value;
  if (figures.empty()) return;
  jsonl_->write(progress_.step, figures);
  tensorboard_->write(progress_.step, unix_time(), figures);
  std::string line = fmt::format("step {}/{}", progress_.step, progress_.steps);
  for (const auto& [name, value] : figures)
    line += fmt::format("  {} {:.4f}", name, value);
  say(line);
  window_.clock.restart();
}

void Trainer::finish() {
  task_->save(recipe_.output);
  say(fmt::format("{}: done; {}", stage_name(recipe_.stage), recipe_.output.string()));
}

void Trainer::run() {
  start();
  if (recipe_.train.validate_every > 0 && progress_.step == 0) validate();
  window_ = {};
  while (progress_.step < progress_.steps) {
    step();
    const bool is_last = progress_.step == progress_.steps;
    if (is_due(recipe_.train.log_every) || is_last) report();
    if (is_due(recipe_.train.validate_every) || is_last) validate();
    const bool is_cancelled = options_.is_cancelled && options_.is_cancelled();
    if (is_due(recipe_.train.save_every) || is_last || is_cancelled) save();
    if (is_cancelled && !is_last) {
      fail(ErrorCode::cancelled, "stopped after step {}; --resume goes on", progress_.step);
    }
  }
  finish();
}

}  // namespace

void run_stage(const Recipe& recipe, const RunOptions& options) {
  const auto existing = peek_state(recipe.output / "state");
  if (existing && options.existing == Existing::refuse) {
    fail(ErrorCode::invalid_argument,
         "{} holds a run at step {} of {}: --resume goes on, --overwrite starts anew",
         recipe.output.string(), existing->step, existing->steps);
  }
  const int64_t steps = recipe.train.steps > 0 || !existing ? recipe.train.steps : existing->steps;
  const bool is_complete =
      existing && existing->step >= steps && fs::exists(recipe.output / "model.safetensors");
  if (is_complete && options.existing == Existing::resume) {
    if (options.log) {
      options.log(LogLevel::info, fmt::format("{}: complete in {}", stage_name(recipe.stage),
                                              recipe.output.string()));
    }
    return;
  }
  at::set_num_threads(options.threads > 0 ? options.threads : available_cores());
  fs::create_directories(recipe.output);
  Trainer(recipe, options).run();
}

}  // namespace vila::train
