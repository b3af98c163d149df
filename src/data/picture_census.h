// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "data/fingerprint.h"
#include "data/image_source.h"

namespace vila::data {

/// How much of a picture is looked at.
enum class PictureCheck {
  stat,    // whether it is there
  read,    // its bytes too, which tells equal pictures
  decode,  // and whether they make a picture
};

/// What is known of one picture. A value.
struct PictureState {
  enum class Fault { none, missing, broken };
  Fault fault = Fault::none;
  std::string reason;   // of the fault
  Fingerprint content;  // of its bytes; zero when not read
  int64_t width = 0;    // 0 when not decoded
  int64_t height = 0;

  bool is_read() const { return content != Fingerprint{}; }
};

/// The distinct pictures of a collection, each looked at once. A value.
class PictureCensus {
 public:
  /// Number of a picture, the same for the same source. One thread.
  int64_t add(const ImageSource& source);
  /// Looks at every picture that was added.
  void inspect(PictureCheck check, ThreadPool& pool);

  int64_t size() const { return static_cast<int64_t>(sources_.size()); }

  const ImageSource& source(int64_t picture) const {
    return sources_[static_cast<size_t>(picture)];
  }

  const PictureState& state(int64_t picture) const { return states_[static_cast<size_t>(picture)]; }

 private:
  std::map<std::string, int64_t> numbers_;
  std::vector<ImageSource> sources_;
  std::vector<PictureState> states_;
};

}  // namespace vila::data
