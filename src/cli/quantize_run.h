// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/json.h"
#include "cli/model_options.h"
#include "model/vision_int8.h"
#include "quantize/calibration.h"
#include "quantize/export.h"
#include "quantize/layer.h"

namespace vila::cli {

/// What `vila quantize` was asked for.
struct QuantizeOptions {
  ModelOptions model;  // what is quantised
  std::string out;
  std::string method = "awq";
  int bits = 4;
  int64_t group = 128;
  std::string target;  // "": by the name of `out`
  bool has_8bit_head = false;
  std::string vision = "f16";  // or "w8a8"
  std::string calibration;     // a text, or a JSONL file of requests
  quantize::WindowChoice windows;
  std::string save_search;
  std::string load_search;
  bool is_resumed = false;
  std::string eval_text;
  int64_t eval_windows = 10;
  int64_t eval_context = 2048;

  bool has_8bit_vision() const { return vision == "w8a8"; }
};

/// Quantises, writes the result with its card and removes the work folder ("OUT.work").
/// @return the card.
/// @throws Error as all that it uses; Error{cancelled} after the layer in hand on Ctrl-C.
Json run_quantize(const QuantizeOptions& options);

/// What requests show of a model.
struct RequestCalibration {
  quantize::Calibration decoder;   // the rows that the decoder is given
  model::ActivationMaxima vision;  // of the tower's norms; empty: no picture
};

/// Calibration by the requests of a JSONL file (as `vila run --batch` reads them), pictures and
/// template included: the tokens that a VILA really sees.
/// @throws Error naming the line.
RequestCalibration calibrate_requests(const ModelOptions& model, const std::string& file,
                                      int64_t samples);

}  // namespace vila::cli
