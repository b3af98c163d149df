// SPDX-License-Identifier: Apache-2.0
#include "data/nano/svg_render.h"

#include <algorithm>
#include <numbers>

#include <cairo.h>
#include <librsvg/rsvg.h>

#include "base/error.h"

namespace vila::data::nano {

namespace {

constexpr int kProbeSide = 96;     // pixels of the rendering that measures the ink
constexpr uint8_t kInkAlpha = 12;  // fainter pixels are shadows and do not count as ink
constexpr double kMaxTurn = 20.0;  // degrees

struct SurfaceDeleter {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};

struct ContextDeleter {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};

struct HandleDeleter {
  void operator()(RsvgHandle* handle) const { g_object_unref(handle); }
};

using SurfacePtr = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;
using ContextPtr = std::unique_ptr<cairo_t, ContextDeleter>;
using HandlePtr = std::unique_ptr<RsvgHandle, HandleDeleter>;

/// A rectangle in units of the page: the page is 1 wide or 1 high, whichever is longer.
struct Box {
  double x = 0;
  double y = 0;
  double width = 1;
  double height = 1;
};

cairo_status_t append_bytes(void* closure, const unsigned char* data, unsigned int length) {
  static_cast<std::string*>(closure)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

SurfacePtr make_surface(cairo_format_t format, int width, int height) {
  SurfacePtr surface(cairo_image_surface_create(format, width, height));
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) {
    fail(ErrorCode::failed, "render: cannot make a surface of {} x {}", width, height);
  }
  return surface;
}

/// Left to right. Done on the pixels: librsvg refuses to draw groups under a mirroring transform.
void mirror(cairo_surface_t* surface) {
  unsigned char* data = cairo_image_surface_get_data(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  const int width = cairo_image_surface_get_width(surface);
  for (int y = 0; y < cairo_image_surface_get_height(surface); ++y) {
    for (int left = 0, right = width - 1; left < right; ++left, --right) {
      unsigned char* row = data + static_cast<ptrdiff_t>(y) * stride;
      std::swap_ranges(row + left * 4, row + left * 4 + 4, row + right * 4);
    }
  }
  cairo_surface_mark_dirty(surface);
}

}  // namespace

struct Drawing::Source {
  std::string name;
  HandlePtr handle;       // an SVG document, or
  SurfacePtr picture;     // a picture
  double page_width = 1;  // the longer of both is 1
  double page_height = 1;
  Box ink;
  double coverage = 0;

  void set_page(double width, double height) {
    const double longest = std::max({width, height, 1e-6});
    page_width = width / longest;
    page_height = height / longest;
  }

  /// Draws the page at (0, 0) of a context whose unit is the page's longer side.
  void paint(cairo_t* context) const {
    if (picture) {
      const int width = cairo_image_surface_get_width(picture.get());
      const double shrink = page_width / width;
      cairo_scale(context, shrink, shrink);
      cairo_set_source_surface(context, picture.get(), 0, 0);
      cairo_pattern_set_filter(cairo_get_source(context), CAIRO_FILTER_GOOD);
      cairo_paint(context);
      return;
    }
    // librsvg works in pixels: a page one unit long would be rounded away.
    constexpr double kUnits = 128;
    cairo_scale(context, 1 / kUnits, 1 / kUnits);
    const RsvgRectangle viewport{0, 0, page_width * kUnits, page_height * kUnits};
    GError* error = nullptr;
    if (!rsvg_handle_render_document(handle.get(), context, &viewport, &error)) {
      const std::string reason = error ? error->message : "unknown reason";
      g_clear_error(&error);
      fail(ErrorCode::invalid_image, "{}: librsvg cannot draw it: {}", name, reason);
    }
  }

  void measure() {
    const SurfacePtr surface = make_surface(CAIRO_FORMAT_ARGB32, kProbeSide, kProbeSide);
    {
      const ContextPtr context(cairo_create(surface.get()));
      cairo_scale(context.get(), kProbeSide, kProbeSide);
      paint(context.get());
    }
    cairo_surface_flush(surface.get());
    const unsigned char* data = cairo_image_surface_get_data(surface.get());
    const int stride = cairo_image_surface_get_stride(surface.get());
    int left = kProbeSide, top = kProbeSide, right = -1, bottom = -1, inked = 0;
    for (int y = 0; y < kProbeSide; ++y) {
      for (int x = 0; x < kProbeSide; ++x) {
        uint32_t pixel = 0;
        std::copy_n(data + y * stride + x * 4, 4, reinterpret_cast<unsigned char*>(&pixel));
        if ((pixel >> 24) <= kInkAlpha) continue;
        left = std::min(left, x);
        right = std::max(right, x);
        top = std::min(top, y);
        bottom = std::max(bottom, y);
        ++inked;
      }
    }
    coverage = static_cast<double>(inked) / (kProbeSide * kProbeSide * page_width * page_height);
    if (inked == 0) return;
    constexpr double kUnit = 1.0 / kProbeSide;
    ink = {left * kUnit, top * kUnit, (right - left + 1) * kUnit, (bottom - top + 1) * kUnit};
  }
};

Drawing::Drawing(std::unique_ptr<Source> source) : source_(std::move(source)) {
  source_->measure();
}

Drawing::Drawing(Drawing&&) noexcept = default;
Drawing& Drawing::operator=(Drawing&&) noexcept = default;
Drawing::~Drawing() = default;

Drawing Drawing::from_svg(std::string_view svg, const std::string& source) {
  GError* error = nullptr;
  HandlePtr handle(
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), &error));
  if (!handle) {
    const std::string reason = error ? error->message : "unknown reason";
    g_clear_error(&error);
    fail(ErrorCode::invalid_image, "{}: librsvg cannot read it: {}", source, reason);
  }
  gboolean has_width = FALSE, has_height = FALSE, has_viewbox = FALSE;
  RsvgLength width{}, height{};
  RsvgRectangle viewbox{};
  rsvg_handle_get_intrinsic_dimensions(handle.get(), &has_width, &width, &has_height, &height,
                                       &has_viewbox, &viewbox);
  double page_width = 1, page_height = 1;
  if (has_viewbox && viewbox.width > 0 && viewbox.height > 0) {
    page_width = viewbox.width;
    page_height = viewbox.height;
  } else {
    rsvg_handle_get_intrinsic_size_in_pixels(handle.get(), &page_width, &page_height);
  }
  if (!(page_width > 0 && page_height > 0)) page_width = page_height = 1;
  auto made = std::make_unique<Source>();
  made->name = source;
  made->handle = std::move(handle);
  made->set_page(page_width, page_height);
  return Drawing(std::move(made));
}

Drawing Drawing::from_png(const std::filesystem::path& path) {
  SurfacePtr picture(cairo_image_surface_create_from_png(path.c_str()));
  if (cairo_surface_status(picture.get()) != CAIRO_STATUS_SUCCESS) {
    fail(ErrorCode::invalid_image, "{}: expected a PNG picture: {}", path.string(),
         cairo_status_to_string(cairo_surface_status(picture.get())));
  }
  auto made = std::make_unique<Source>();
  made->name = path.string();
  made->set_page(cairo_image_surface_get_width(picture.get()),
                 cairo_image_surface_get_height(picture.get()));
  made->picture = std::move(picture);
  return Drawing(std::move(made));
}

Drawing Drawing::from_ink(std::span<const uint8_t> pixels, int64_t width, int64_t height) {
  VILA_CHECK(static_cast<int64_t>(pixels.size()) == width * height);
  SurfacePtr picture =
      make_surface(CAIRO_FORMAT_ARGB32, static_cast<int>(width), static_cast<int>(height));
  cairo_surface_flush(picture.get());
  unsigned char* data = cairo_image_surface_get_data(picture.get());
  const int stride = cairo_image_surface_get_stride(picture.get());
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      // Black ink, premultiplied: only alpha is set.
      const uint32_t pixel = uint32_t{pixels[static_cast<size_t>(y * width + x)]} << 24;
      std::copy_n(reinterpret_cast<const unsigned char*>(&pixel), 4, data + y * stride + x * 4);
    }
  }
  cairo_surface_mark_dirty(picture.get());
  auto made = std::make_unique<Source>();
  made->name = "ink";
  made->set_page(static_cast<double>(width), static_cast<double>(height));
  made->picture = std::move(picture);
  return Drawing(std::move(made));
}

double Drawing::coverage() const {
  return source_->coverage;
}

std::string Drawing::render_png(int64_t size, const Placement& placement) const {
  const SurfacePtr surface =
      make_surface(CAIRO_FORMAT_RGB24, static_cast<int>(size), static_cast<int>(size));
  {
    const ContextPtr owner(cairo_create(surface.get()));
    cairo_t* context = owner.get();
    const Colour& paper = placement.background;
    cairo_set_source_rgb(context, paper[0] / 255.0, paper[1] / 255.0, paper[2] / 255.0);
    cairo_paint(context);
    const Box box =
        placement.is_trimmed ? source_->ink : Box{0, 0, source_->page_width, source_->page_height};
    const auto side = static_cast<double>(size);
    const double scale = placement.scale * side / std::max(box.width, box.height);
    cairo_translate(context, side * (0.5 + placement.shift_x), side * (0.5 + placement.shift_y));
    cairo_rotate(context, placement.degrees * std::numbers::pi / 180);
    cairo_scale(context, scale, scale);
    cairo_translate(context, -(box.x + box.width / 2), -(box.y + box.height / 2));
    source_->paint(context);
  }
  cairo_surface_flush(surface.get());
  if (placement.is_mirrored) mirror(surface.get());
  std::string png;
  if (cairo_surface_write_to_png_stream(surface.get(), append_bytes, &png) !=
      CAIRO_STATUS_SUCCESS) {
    fail(ErrorCode::failed, "{}: cannot encode the picture as PNG", source_->name);
  }
  return png;
}

std::string wrap_svg(std::string_view body, double width, double height) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
      "viewBox=\"0 0 {} {}\">{}</svg>",
      width, height, body);
}

Placement random_placement(Random& random, bool may_mirror) {
  Placement placement;
  placement.scale = 0.55 + 0.45 * random.uniform();
  const double room = (1 - placement.scale) / 2;
  placement.shift_x = (2 * random.uniform() - 1) * room;
  placement.shift_y = (2 * random.uniform() - 1) * room;
  placement.degrees = (2 * random.uniform() - 1) * kMaxTurn;
  placement.is_mirrored = may_mirror && random.below(3) == 0;
  for (uint8_t& channel : placement.background) {
    channel = static_cast<uint8_t>(40 + random.below(216));
  }
  return placement;
}

}  // namespace vila::data::nano
