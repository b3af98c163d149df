// SPDX-License-Identifier: Apache-2.0
#include "cli/model_options.h"

#include <algorithm>
#include <fstream>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/model_files.h"
#include "formats/checkpoint.h"
#include "model/kv_cache.h"
#include "spec/config.h"

namespace vila::cli {
namespace {

constexpr double kMegabyte = 1e6;

int64_t meminfo_available() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  int64_t kibibytes = 0;
  std::string unit;
  while (meminfo >> key >> kibibytes >> unit) {
    if (key == "MemAvailable:") return kibibytes * 1024;
  }
  return INT64_MAX;
}

// What the control group of this process leaves, where it sets a limit at all.
int64_t control_group_available() {
  std::ifstream limit_file("/sys/fs/cgroup/memory.max");
  std::ifstream used_file("/sys/fs/cgroup/memory.current");
  int64_t limit = 0;
  int64_t used = 0;
  if (!(limit_file >> limit) || !(used_file >> used)) return INT64_MAX;
  return std::max<int64_t>(limit - used, 0);
}

void check_device(const std::string& device) {
  if (device == "cpu") return;
  fail(ErrorCode::invalid_argument, "--device: expected cpu (all this build runs on), found '{}'",
       device);
}

}  // namespace

formats::ModelSource find_model(const ModelOptions& options) {
  formats::ModelSource source = find_model(options.model, options.base);
  source.mmproj = options.mmproj;
  source.adapter = options.adapter == "merge"   ? formats::AdapterPlace::merged
                   : options.adapter == "apart" ? formats::AdapterPlace::beside
                                                : formats::AdapterPlace::beside_packed;
  return source;
}

void add_base_option(CLI::App& app, std::string& base) {
  app.add_option("--base", base,
                 "The model that a LoRA adapter, a projector or a delta checkpoint builds on "
                 "(default: the one that its files name)")
      ->type_name("MODEL");
}

void add_mmproj_option(CLI::App& app, std::string& mmproj) {
  app.add_option(
         "--mmproj", mmproj,
         "Tower and projector of a .gguf text model (default: mmproj-NAME.gguf beside it, or "
         "the only mmproj there)")
      ->type_name("FILE");
}

void add_model_option(CLI::App& app, ModelOptions& options) {
  add_base_option(app, options.base);
  add_mmproj_option(app, options.mmproj);
  app.add_option(
         "--adapter", options.adapter,
         "Where a LoRA adapter goes: merge (into the weights), apart (beside them: the base "
         "stays as its file maps it), or auto (merge, but apart from packed weights)")
      ->type_name("PLACE")
      ->check(CLI::IsMember({"auto", "merge", "apart"}))
      ->capture_default_str();
  app.add_option("-m,--model", options.model,
                 "Checkpoint folder, .vila or .gguf file, pulled ORG/NAME[@REV], or shipped model "
                 "(default: "
                 "$VILA_MODEL, else nano)")
      ->type_name("MODEL");
}

void add_kv_option(CLI::App& app, ModelOptions& options) {
  app.add_option("--kv", options.kv,
                 "Keys and values in f32, f16 or int8: memory against precision")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"f32", "f16", "int8"}))
      ->capture_default_str();
}

void add_engine_options(CLI::App& app, ModelOptions& options) {
  add_model_option(app, options);
  app.add_option("-t,--threads", options.threads, "Threads (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--isa", options.isa,
                 "Instruction set: scalar, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16 "
                 "(default: best here)")
      ->type_name("NAME");
  app.add_option("--device", options.device, "Where to compute")->capture_default_str();
  app.add_option("--activations", options.activations,
                 "What packed weights are multiplied with: int8 (rounded, fast) or f32 (exact)")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str();
  add_kv_option(app, options);
  app.add_option("--vision", options.vision,
                 "Tower and projector as they are stored (float) or in 8 bits (int8: faster)")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"float", "int8"}))
      ->capture_default_str();
  app.add_option("--memory-limit", options.memory_limit, "Refuse to start above this many bytes")
      ->type_name("BYTES")
      ->check(CLI::PositiveNumber);
}

DType kv_dtype(const ModelOptions& options) {
  if (options.kv == "int8") return DType::i8;
  return options.kv == "f32" ? DType::f32 : DType::f16;
}

engine::LoadOptions load_options(const ModelOptions& options) {
  return {.threads = options.threads,
          .isa = options.isa,
          .activations = options.activations == "f32" ? ops::PackedActivations::float32
                                                      : ops::PackedActivations::int8,
          .vision = options.vision == "int8" ? model::VisionWeights::int8
                                             : model::VisionWeights::as_stored,
          .kv = kv_dtype(options)};
}

int64_t available_memory() {
  return std::min(meminfo_available(), control_group_available());
}

void check_memory(const engine::MemoryPlan& plan, const ModelOptions& options) {
  const int64_t limit = options.memory_limit > 0 ? options.memory_limit : available_memory();
  if (plan.total() <= limit) return;
  const auto megabytes = [](int64_t bytes) { return static_cast<double>(bytes) / kMegabyte; };
  fail(ErrorCode::insufficient_memory,
       "memory: expected at least {:.1f} MB (weights {:.1f}, KV cache {:.1f}, the rest {:.1f}), "
       "found {:.1f} MB{}",
       megabytes(plan.total()), megabytes(plan.weights), megabytes(plan.kv_cache),
       megabytes(plan.total() - plan.weights - plan.kv_cache), megabytes(limit),
       options.memory_limit > 0 ? " (--memory-limit)" : " free");
}

engine::Engine load_engine(const ModelOptions& options, int64_t context, bool keeps_answers) {
  check_device(options.device);
  return load_engine(formats::open_checkpoint(find_model(options)), options, context,
                     keeps_answers);
}

engine::Engine load_engine(const formats::Checkpoint& checkpoint, const ModelOptions& options,
                           int64_t context, bool keeps_answers) {
  check_device(options.device);
  const spec::VilaConfig config = spec::read_config(checkpoint.folder, checkpoint.vision_folder);
  // Whether pictures will come is not known yet: the tower counts.
  check_memory(engine::plan_memory(checkpoint, config, {context, 1, kv_dtype(options)}), options);
  engine::LoadOptions load = load_options(options);
  if (keeps_answers) load.kept_tokens = context;
  return engine::Engine::load(checkpoint, load);
}

}  // namespace vila::cli
