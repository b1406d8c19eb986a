// The indices that the samples of a test have.
#pragma once

#include <cstdint>
#include <numeric>
#include <vector>

namespace elbow {

// 0, 1, ... count - 1.
inline std::vector<std::int64_t> first_indices(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace elbow
