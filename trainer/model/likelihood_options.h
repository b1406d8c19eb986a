// Which distribution an image has around what the decoder draws.
#pragma once

#include <cstdint>
#include <string>

#include "base/options.h"

namespace elbow {

struct LikelihoodOptions {
  std::string likelihood = "gaussian";
  std::string sigma = "learned";  // or "per-dimension", "optimal", a number
  double sigma_floor = 1e-4;
  std::int64_t levels = 256;
};

void declare(OptionTable& table, LikelihoodOptions& options);

}  // namespace elbow
