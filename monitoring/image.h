// Pictures of 8-bit grey or colour values, grids of them, and PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace elbow {

struct Image {
  int width = 0;                     // pixels
  int height = 0;                    // pixels
  int channels = 1;                  // 1: grey, 3: red, green, blue
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

struct GridStyle {
  int columns = 10;
  int padding = 2;  // pixels around and between the cells
  std::uint8_t background = 255;
  // Each pixel of a cell becomes a square of scale x scale. 0 chooses the smallest that makes the
  // grid at least 600 pixels wide, so that small images can be seen.
  int scale = 0;
};

// Cells in rows, from the left. They must be at least one, and agree in size and channels; the last
// row may be short. Throws Error on cells that don't agree or a grid of more than 2^28 bytes.
Image grid(std::span<const Image> cells, const GridStyle& style);

// The same image always becomes the same bytes. Atomic, as write_file_atomically. Throws Error
// naming the path.
void write_png(const std::filesystem::path& path, const Image& image);

// A PNG of any kind, as 8-bit grey or colour without transparency. Throws Error naming the path.
Image read_png(const std::filesystem::path& path);

}  // namespace elbow
