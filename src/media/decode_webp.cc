// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include "media/codecs.h"

namespace vila::media {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

/// The first frame of a file (the only one of a still picture).
class FirstFrame {
 public:
  explicit FirstFrame(WebPDemuxer* demuxer) : is_found_(WebPDemuxGetFrame(demuxer, 1, &frame_)) {}

  ~FirstFrame() { WebPDemuxReleaseIterator(&frame_); }

  FirstFrame(const FirstFrame&) = delete;
  FirstFrame& operator=(const FirstFrame&) = delete;

  bool is_complete() const { return is_found_ != 0 && frame_.complete != 0; }

  const WebPIterator& operator*() const { return frame_; }

 private:
  WebPIterator frame_{};
  int is_found_;
};

/// Whether the frame's own header agrees with the place that the file gives it on the canvas.
bool fits(const WebPIterator& frame, const Image& canvas) {
  int width = 0;
  int height = 0;
  const bool has_header =
      WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) != 0;
  return has_header && width == frame.width && height == frame.height && frame.x_offset >= 0 &&
         frame.y_offset >= 0 && frame.x_offset + width <= canvas.width &&
         frame.y_offset + height <= canvas.height;
}

}  // namespace

Image decode_webp(const EncodedImage& encoded) {
  const WebPData data{encoded.data(), encoded.bytes.size()};
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemux(&data));
  if (demuxer == nullptr) encoded.fail_damaged("WebP", "its parts do not fit together");
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  encoded.check_size(width, height);

  const FirstFrame first(demuxer.get());
  if (!first.is_complete()) encoded.fail_damaged("WebP", "its first frame is incomplete");
  const WebPIterator& frame = *first;
  Image image(width, height);  // what the frame does not cover is transparent black, as in Pillow
  if (!fits(frame, image)) encoded.fail_damaged("WebP", "its first frame leaves the canvas");
  uint8_t* target = image.at(frame.x_offset, frame.y_offset);
  const auto room = static_cast<size_t>(&image.pixels.back() + 1 - target);
  if (WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, target, room,
                        static_cast<int>(width * 3)) == nullptr) {
    encoded.fail_damaged("WebP", "its pixel data");
  }
  return image;
}

}  // namespace vila::media
