// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/engine.h"
#include "engine/memory_plan.h"

namespace CLI {
class App;
}

namespace vila::cli {

/// Which model, and on what it runs: the options that all commands with a model share.
struct ModelOptions {
  std::string model;
  std::string base;  // what an adapter, a projector or a delta builds on; "": what its files name
  std::string adapter = "auto";  // where the low-rank part of one goes: see formats::AdapterPlace
  std::string mmproj;  // the seeing half of a GGUF text model; "": the one beside it, if any
  int threads = 0;
  std::string isa;
  std::string device = "cpu";
  std::string kv = "f16";
  std::string vision = "float";
  int64_t memory_limit = 0;  // bytes; 0: what the machine has free
  std::string activations = "int8";
};

/// The model that the options name, with all that it may build upon.
/// @throws Error{not_found} as resolve_model()
formats::ModelSource find_model(const ModelOptions& options);

/// Registers --base. @param base  what ModelOptions::base says
void add_base_option(CLI::App& app, std::string& base);

/// Registers --mmproj. @param mmproj  what ModelOptions::mmproj says
void add_mmproj_option(CLI::App& app, std::string& mmproj);

/// Registers -m/--model, --base, --adapter and --mmproj.
void add_model_option(CLI::App& app, ModelOptions& options);

/// Registers --kv alone.
void add_kv_option(CLI::App& app, ModelOptions& options);

/// Registers --model, --threads, --isa, --device, --kv, --vision, --memory-limit and
/// --activations.
void add_engine_options(CLI::App& app, ModelOptions& options);

/// The type of keys and values that --kv names.
DType kv_dtype(const ModelOptions& options);

/// How to compute, as the options say.
engine::LoadOptions load_options(const ModelOptions& options);

/// Bytes the machine, or the container around us, can still give.
int64_t available_memory();

/// Throws Error{insufficient_memory} with both figures when `plan` is more than the limit.
void check_memory(const engine::MemoryPlan& plan, const ModelOptions& options);

/// Resolves the name, checks memory for `context` tokens, and loads.
/// @throws Error as resolve_model(), check_memory() and Engine::load(); Error{invalid_argument} for
/// a device that this build does not have.
///
/// With `keeps_answers` the engine keeps keys and values of the last answer, as a conversation
/// needs them, in a cache of `context` tokens.
engine::Engine load_engine(const ModelOptions& options, int64_t context,
                           bool keeps_answers = false);

/// The same of a checkpoint that is already open.
engine::Engine load_engine(const formats::Checkpoint& checkpoint, const ModelOptions& options,
                           int64_t context, bool keeps_answers = false);

}  // namespace vila::cli
