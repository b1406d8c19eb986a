#pragma once

#include <cstdint>
#include <limits>

namespace elbow {

// What can be moved alone in a code: one number, or the choice of a one-hot variable.
struct LatentAxis {
  std::int64_t first = 0;       // entry of z
  std::int64_t categories = 0;  // entries of the one-hot variable that begins there; 0: a number
  double limit = std::numeric_limits<double>::infinity();  // the prior has no z beyond +- it

  std::int64_t entries() const { return categories > 0 ? categories : 1; }
};

}  // namespace elbow
