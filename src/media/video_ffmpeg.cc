// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "media/video_reader.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

namespace vila::media {
namespace {

namespace fs = std::filesystem;

// Containers of one file: playlists and scripts of libavformat would open other files and
// addresses.
constexpr const char* kFormats =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ivf,ogg,flv,asf,"
    "gif,nut,dv,mxf,yuv4mpegpipe";
constexpr int64_t kRowPadding = 64;  // bytes that libswscale may write behind a row
constexpr int kMaxDelay = 64;        // frames that a decoder may hold back

/// Frees by FFmpeg's functions that take a pointer to the pointer.
template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(&object);
  }
};

using FormatPointer = std::unique_ptr<AVFormatContext, Deleter<avformat_close_input>>;
using CodecPointer = std::unique_ptr<AVCodecContext, Deleter<avcodec_free_context>>;
using FramePointer = std::unique_ptr<AVFrame, Deleter<av_frame_free>>;
using PacketPointer = std::unique_ptr<AVPacket, Deleter<av_packet_free>>;

struct ScalerDeleter {
  void operator()(SwsContext* context) const { sws_freeContext(context); }
};

std::string reason_of(int status) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  return av_strerror(status, text, sizeof text) == 0 ? text : std::to_string(status);
}

/// Clockwise quarter turns that make a frame upright.
int quarter_turns(const AVStream& stream) {
  const uint8_t* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
  if (matrix == nullptr) return 0;
  const double degrees = av_display_rotation_get(reinterpret_cast<const int32_t*>(matrix));
  if (!std::isfinite(degrees)) return 0;
  return ((static_cast<int>(std::lround(-degrees / 90)) % 4) + 4) % 4;
}

Image turned_clockwise(const Image& image) {
  Image turned(image.height, image.width);
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x)
      std::memcpy(turned.at(image.height - 1 - y, x), image.at(x, y), 3);
  }
  return turned;
}

class FfmpegReader final : public VideoReader {
 public:
  FfmpegReader(const fs::path& path, const DecodeLimits& limits)
      : source_(path.string()), limits_(limits) {
    open_file();
    count_packets();
    open_file();
    open_decoder();
  }

  VideoInfo info() const override { return info_; }

  bool advance() override {
    while (!is_ended_) {
      const int status = avcodec_receive_frame(codec_.get(), frame_.get());
      if (status == 0) return true;
      // Any other status is a damaged frame: the next packet may hold a sound one, and behind the
      // last packet one of those that the decoder still holds back.
      if (is_flushed_) ++failures_at_end_;
      is_ended_ = status == AVERROR_EOF || failures_at_end_ > kMaxDelay;
      if (!is_ended_) feed();
    }
    return false;
  }

  Image frame() override {
    const int64_t width = frame_->width;
    const int64_t height = frame_->height;
    check_size(width, height);
    convert(frame_->width, frame_->height);
    Image image = Image::unwritten(width, height);
    for (int64_t y = 0; y < height; ++y)
      std::memcpy(image.at(0, y), rows_.data() + y * stride_, static_cast<size_t>(width) * 3);
    for (int turn = 0; turn < turns_; ++turn)
      image = turned_clockwise(image);
    return image;
  }

 private:
  void check_size(int64_t width, int64_t height) const {
    if (width >= 1 && height >= 1 && width <= limits_.max_side && height <= limits_.max_side &&
        width * height <= limits_.max_pixels) {
      return;
    }
    fail(ErrorCode::invalid_image,
         "{}: expected frames of sides up to {} and up to {} pixels, found {} x {}", source_,
         limits_.max_side, limits_.max_pixels, width, height);
  }

  [[noreturn]] void refuse(const std::string& found) const {
    fail(ErrorCode::invalid_image, "{}: expected a video that FFmpeg reads, found: {}", source_,
         found);
  }

  void open_file() {
    AVDictionary* options = nullptr;
    av_dict_set(&options, "format_whitelist", kFormats, 0);
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    AVFormatContext* file = nullptr;
    // "file:" keeps a path that looks like an address from being one.
    const int status = avformat_open_input(&file, ("file:" + source_).c_str(), nullptr, &options);
    av_dict_free(&options);
    if (status < 0) refuse(reason_of(status));
    file_.reset(file);
    if (const int found = avformat_find_stream_info(file, nullptr); found < 0) {
      refuse(reason_of(found));
    }
    stream_ = av_find_best_stream(file, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (stream_ < 0) refuse("no stream of pictures with a known codec");
    for (unsigned i = 0; i < file->nb_streams; ++i) {
      if (static_cast<int>(i) != stream_) file->streams[i]->discard = AVDISCARD_ALL;
    }
  }

  AVStream& stream() const { return *file_->streams[stream_]; }

  /// Reads the whole file without decoding: what containers write down of it is often wrong.
  void count_packets() {
    while (read_packet()) {
      if ((packet_->flags & AV_PKT_FLAG_DISCARD) == 0) ++info_.frames;
    }
    const AVRational rate = av_guess_frame_rate(file_.get(), &stream(), nullptr);
    if (rate.num > 0 && rate.den > 0) info_.fps = av_q2d(rate);
    turns_ = quarter_turns(stream());
  }

  /// The next packet of the stream; false behind the last, and where the file is cut off.
  bool read_packet() {
    av_packet_unref(packet_.get());
    while (av_read_frame(file_.get(), packet_.get()) >= 0) {
      if (packet_->stream_index == stream_) return true;
      av_packet_unref(packet_.get());
    }
    return false;
  }

  void open_decoder() {
    const AVCodecParameters& parameters = *stream().codecpar;
    check_size(parameters.width, parameters.height);
    const AVCodec* decoder = avcodec_find_decoder(parameters.codec_id);
    if (decoder == nullptr) {
      refuse(fmt::format("the codec {}, which this FFmpeg has no decoder for",
                         avcodec_get_name(parameters.codec_id)));
    }
    codec_.reset(avcodec_alloc_context3(decoder));
    if (codec_ == nullptr) refuse("no memory");
    int status = avcodec_parameters_to_context(codec_.get(), &parameters);
    codec_->max_pixels = limits_.max_pixels;
    codec_->thread_count = 0;  // as many as there are cores
    if (status >= 0) status = avcodec_open2(codec_.get(), decoder, nullptr);
    if (status < 0) refuse(reason_of(status));
  }

  /// Hands the decoder its next packet, after the last one the end. A packet that it refuses is
  /// left out.
  void feed() {
    const bool has_packet = read_packet();
    avcodec_send_packet(codec_.get(), has_packet ? packet_.get() : nullptr);
    is_flushed_ = !has_packet;
  }

  void convert(int width, int height) {
    scaler_.reset(sws_getCachedContext(scaler_.release(), width, height,
                                       static_cast<AVPixelFormat>(frame_->format), width, height,
                                       AV_PIX_FMT_RGB24, SWS_BICUBIC, nullptr, nullptr, nullptr));
    if (scaler_ == nullptr) refuse("pixels that libswscale does not convert");
    stride_ = (int64_t{width} * 3 + 2 * kRowPadding) / kRowPadding * kRowPadding;
    rows_.resize(static_cast<size_t>(stride_ * height));
    uint8_t* const planes[] = {rows_.data(), nullptr, nullptr, nullptr};
    const int strides[] = {static_cast<int>(stride_), 0, 0, 0};
    sws_scale(scaler_.get(), frame_->data, frame_->linesize, 0, height, planes, strides);
  }

  std::string source_;
  DecodeLimits limits_;
  VideoInfo info_;
  int turns_ = 0;
  int stream_ = -1;
  bool is_flushed_ = false;
  int failures_at_end_ = 0;
  bool is_ended_ = false;
  int64_t stride_ = 0;         // bytes of a row in rows_
  std::vector<uint8_t> rows_;  // RGB as libswscale wrote it
  FormatPointer file_;
  CodecPointer codec_;
  FramePointer frame_{av_frame_alloc()};
  PacketPointer packet_{av_packet_alloc()};
  std::unique_ptr<SwsContext, ScalerDeleter> scaler_;
};

}  // namespace

std::unique_ptr<VideoReader> open_video(const fs::path& path, const DecodeLimits& limits) {
  // FFmpeg writes its complaints to stderr, which is the command line's alone.
  static std::once_flag quiet;
  std::call_once(quiet, [] { av_log_set_level(AV_LOG_QUIET); });
  if (!fs::exists(path)) {
    fail(ErrorCode::not_found, "{}: expected a video, found no such file", path.string());
  }
  return std::make_unique<FfmpegReader>(path, limits);
}

}  // namespace vila::media
