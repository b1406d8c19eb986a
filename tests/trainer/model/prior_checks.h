// What tests of priors and posteriors share: numbers to draw for, quadrature, statistical errors.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>
#include <torch/types.h>

namespace elbow {

inline std::vector<std::int64_t> indices_up_to(std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

// Simpson's rule for function([N] in double) -> [N].
inline double integral(const std::function<torch::Tensor(const torch::Tensor&)>& function,
                       double low, double high, std::int64_t intervals = 20000) {
  const auto x = torch::linspace(low, high, intervals + 1, torch::kDouble);
  auto weight = torch::full({intervals + 1}, 2.0, torch::kDouble);
  weight.slice(0, 1, intervals, 2).fill_(4.0);
  weight[0] = weight[intervals] = 1.0;
  const double step = (high - low) / static_cast<double>(intervals);
  return (weight * function(x)).sum().item<double>() * step / 3.0;
}

// The mean of independent values is as expected within 4 standard errors.
inline void expect_mean(const torch::Tensor& values, double expected) {
  const auto sample = values.detach().to(torch::kDouble);
  const double error = sample.std().item<double>() / std::sqrt(static_cast<double>(sample.numel()));
  EXPECT_NEAR(sample.mean().item<double>(), expected, 4 * error);
}

}  // namespace elbow
