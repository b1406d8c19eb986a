// What a training run is told.
#pragma once

#include <cstdint>
#include <string>

#include "base/options.h"

namespace elbow {

struct TrainingOptions {
  std::int64_t batch = 256;  // samples of a step, over the whole job
  std::int64_t epochs = 20;
  std::int64_t seed = 1;
  std::int64_t draws = 1;  // L: draws of z a sample
  std::string objective = "elbo";
  std::string sum = "fast";
  std::int64_t threads = 1;  // of a rank
  double clip = 0.0;         // largest norm of the mean gradient; 0: none
};

void declare(OptionTable& table, TrainingOptions& options);

}  // namespace elbow
