// SPDX-License-Identifier: Apache-2.0
#include "cli/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "base/error.h"
#include "base/file.h"

namespace vila::cli {

double Perplexity::value() const {
  return std::exp(mean());
}

Perplexity measure_perplexity(engine::Engine& engine, const PerplexityText& text) {
  const std::vector<text::TokenId> ids = engine.tokenizer().encode(read_file(text.text));
  const auto size = static_cast<size_t>(std::min(text.context, engine.config().model_max_length));
  Perplexity found;
  for (size_t begin = 0; begin + 1 < ids.size(); begin += size) {
    if (text.windows > 0 && static_cast<int64_t>(found.nll.size()) == text.windows) break;
    const size_t count = std::min(size, ids.size() - begin);
    if (count < size && !found.nll.empty()) break;  // an uneven rest would weigh differently
    const std::vector<double> losses = engine.token_losses(std::span(ids).subspan(begin, count));
    const double sum = std::accumulate(losses.begin(), losses.end(), 0.0);
    found.nll.push_back(sum / static_cast<double>(losses.size()));
    found.total += sum;
    found.tokens += static_cast<int64_t>(losses.size());
  }
  if (found.tokens == 0) {
    fail(ErrorCode::invalid_data, "{}: expected at least two tokens, found {}", text.text,
         ids.size());
  }
  return found;
}

}  // namespace vila::cli
