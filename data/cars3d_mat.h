// One MATLAB file of Cars3D.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace elbow {

// As MATLAB holds them, the first axis varying fastest: [row, column, channel, azimuth, elevation]
// of extents side, side, 3, 24, 4.
struct CarViews {
  std::int64_t side = 0;
  std::vector<std::uint8_t> values;
};

// The variable `im` of a file with these bytes, called `name` in messages. Throws DataError: not a
// MATLAB 5 file, damaged, truncated, no such variable, of another type or shape.
CarViews read_car_views(std::span<const std::byte> file, const std::string& name);

}  // namespace elbow
