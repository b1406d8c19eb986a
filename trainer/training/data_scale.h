// Whether a model can begin to learn from data of such a size.
#pragma once

#include <string>

#include <torch/types.h>

#include "trainer/model/observation.h"

namespace elbow {

// How large the values of some samples are, in the units of x.
struct DataScale {
  double least = 0;
  double most = 0;
  double root_mean_square = 0;
};

// x [B, ...] of at least one sample.
DataScale scale_of(const torch::Tensor& x);

// "x runs from 0 to 255, with a root mean square of 147"
std::string to_text(const DataScale& scale);

// What is wrong with values that are taken as they are (data.values = 'raw') under a density, and
// what would help; "" where nothing is. A model begins with means near 0 and a deviation of about
// 1: far from that no rate is right.
std::string scale_problem(const DataScale& scale, const Observation& observation);

}  // namespace elbow
