// Which distribution codes have before an image is seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"

namespace elbow {

struct PriorOptions {
  std::int64_t latent = 20;
  std::string prior = "gaussian";
  std::vector<std::int64_t> categories = {10};
  double temperature = 0.5;
  std::int64_t components = 50;
  std::vector<std::string> factors = {};
};

void declare(OptionTable& table, PriorOptions& options);

}  // namespace elbow
