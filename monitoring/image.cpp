#include "monitoring/image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <spng.h>

#include "base/atomic_file.h"
#include "base/error.h"

namespace elbow {
namespace {

constexpr int kWideEnough = 600;
constexpr std::int64_t kLargestImage = std::int64_t{1} << 28;

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

Context make_context(int flags) {
  Context context(spng_ctx_new(flags), &spng_ctx_free);
  if (!context) throw std::bad_alloc();
  return context;
}

void check(int result, const char* what, const std::filesystem::path& path) {
  if (result != 0) {
    throw Error(fmt::format("cannot {} {}: {}", what, path.string(), spng_strerror(result)));
  }
}

// Throws unless the image's pixels are as many as its size says.
void check_image(const Image& image) {
  const bool sane =
      image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3);
  const std::int64_t expected =
      sane ? static_cast<std::int64_t>(image.width) * image.height * image.channels : -1;
  if (static_cast<std::int64_t>(image.pixels.size()) != expected) {
    throw Error(fmt::format("an image of {} x {} pixels in {} channels cannot have {} values",
                            image.width, image.height, image.channels, image.pixels.size()));
  }
}

int automatic_scale(int cell_width, const GridStyle& style) {
  const std::int64_t room =
      kWideEnough - static_cast<std::int64_t>(style.padding) * (style.columns + 1);
  const std::int64_t unscaled = static_cast<std::int64_t>(cell_width) * style.columns;
  return static_cast<int>(std::max<std::int64_t>(1, (room + unscaled - 1) / unscaled));
}

// Copies `cell`, each pixel a square of `scale`, to (left, top) of `sheet`.
void place(const Image& cell, int scale, std::int64_t left, std::int64_t top, Image& sheet) {
  const auto channels = static_cast<std::int64_t>(cell.channels);
  const std::int64_t row_bytes = sheet.width * channels;
  for (std::int64_t y = 0; y < cell.height; ++y) {
    std::uint8_t* const first =
        sheet.pixels.data() + (top + y * scale) * row_bytes + left * channels;
    std::uint8_t* out = first;
    for (std::int64_t x = 0; x < cell.width; ++x) {
      const std::uint8_t* pixel = cell.pixels.data() + (y * cell.width + x) * channels;
      for (int i = 0; i < scale; ++i) out = std::copy_n(pixel, channels, out);
    }
    for (int i = 1; i < scale; ++i)
      std::memcpy(first + i * row_bytes, first, static_cast<std::size_t>(out - first));
  }
}

}  // namespace

Image grid(std::span<const Image> cells, const GridStyle& style) {
  if (cells.empty()) throw Error("a grid needs at least one image");
  if (style.columns < 1 || style.padding < 0 || style.scale < 0) {
    throw Error("a grid needs at least one column, and neither padding nor scale below 0");
  }
  const Image& first = cells.front();
  for (const auto& cell : cells) {
    check_image(cell);
    if (cell.width != first.width || cell.height != first.height ||
        cell.channels != first.channels) {
      throw Error("the images of a grid must have the same size and channels");
    }
  }
  const int scale = style.scale > 0 ? style.scale : automatic_scale(first.width, style);
  const auto count = static_cast<std::int64_t>(cells.size());
  const std::int64_t rows = (count + style.columns - 1) / style.columns;
  const std::int64_t step_x = static_cast<std::int64_t>(first.width) * scale + style.padding;
  const std::int64_t step_y = static_cast<std::int64_t>(first.height) * scale + style.padding;
  const std::int64_t width = style.columns * step_x + style.padding;
  const std::int64_t height = rows * step_y + style.padding;
  if (width * first.channels > kLargestImage / height) {
    throw Error(
        fmt::format("a grid of {} x {} pixels is too large; ask for fewer images or a "
                    "smaller scale",
                    width, height));
  }
  Image sheet{static_cast<int>(width), static_cast<int>(height), first.channels, {}};
  sheet.pixels.assign(static_cast<std::size_t>(width * height * first.channels), style.background);
  for (std::int64_t i = 0; i < count; ++i) {
    place(cells[static_cast<std::size_t>(i)], scale, style.padding + i % style.columns * step_x,
          style.padding + i / style.columns * step_y, sheet);
  }
  return sheet;
}

void write_png(const std::filesystem::path& path, const Image& image) {
  check_image(image);
  const Context context = make_context(SPNG_CTX_ENCODER);
  spng_ihdr header{};
  header.width = static_cast<std::uint32_t>(image.width);
  header.height = static_cast<std::uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type = image.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  check(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1), "encode", path);
  check(spng_set_ihdr(context.get(), &header), "encode", path);
  check(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG,
                          SPNG_ENCODE_FINALIZE),
        "encode", path);
  std::size_t size = 0;
  int result = 0;
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      spng_get_png_buffer(context.get(), &size, &result), &std::free);
  check(result, "encode", path);
  write_file_atomically(path, {static_cast<const char*>(bytes.get()), size});
}

Image read_png(const std::filesystem::path& path) {
  const std::string bytes = read_file(path, static_cast<std::size_t>(kLargestImage));
  const Context context = make_context(0);
  spng_ihdr header{};
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()), "read", path);
  check(spng_get_ihdr(context.get(), &header), "read", path);
  const bool grey = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  const int format = grey ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
  std::size_t size = 0;
  check(spng_decoded_image_size(context.get(), format, &size), "read", path);
  if (static_cast<std::int64_t>(size) > kLargestImage) {
    throw Error(fmt::format("cannot read {}: the image is too large", path.string()));
  }
  Image image{static_cast<int>(header.width), static_cast<int>(header.height), grey ? 1 : 3, {}};
  image.pixels.resize(size);
  check(spng_decode_image(context.get(), image.pixels.data(), size, format, 0), "read", path);
  return image;
}

}  // namespace elbow
