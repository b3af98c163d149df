// SPDX-License-Identifier: Apache-2.0
#include "data/picture_census.h"

#include <filesystem>
#include <span>

#include "base/error.h"

namespace vila::data {
namespace {

/// Looks further step by step; a throw ends it with what is known so far.
void look(const ImageSource& source, PictureCheck check, PictureState& state) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(source.path, error)) {
    fail(ErrorCode::not_found, "{}: no such file", source.path.string());
  }
  if (check == PictureCheck::stat) return;
  const std::string bytes = read_image_bytes(source);
  state.content = fingerprint(bytes);
  if (check == PictureCheck::read) return;
  const media::Image image = media::decode_image(std::as_bytes(std::span(bytes)), source.name());
  state.width = image.width;
  state.height = image.height;
}

PictureState inspected(const ImageSource& source, PictureCheck check) {
  PictureState state;
  try {
    look(source, check, state);
  } catch (const Error& error) {
    state.fault = error.code() == ErrorCode::not_found ? PictureState::Fault::missing
                                                       : PictureState::Fault::broken;
    state.reason = error.what();
  }
  return state;
}

}  // namespace

int64_t PictureCensus::add(const ImageSource& source) {
  const auto [found, is_new] = numbers_.try_emplace(source.name(), size());
  if (is_new) sources_.push_back(source);
  return found->second;
}

void PictureCensus::inspect(PictureCheck check, ThreadPool& pool) {
  states_.assign(sources_.size(), {});
  pool.parallel_for(size(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t picture = begin; picture < end; ++picture) {
      states_[static_cast<size_t>(picture)] = inspected(source(picture), check);
    }
  });
}

}  // namespace vila::data
