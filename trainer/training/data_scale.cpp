#include "trainer/training/data_scale.h"

#include <cmath>

#include <fmt/format.h>

#include "trainer/model/likelihood.h"

namespace elbow {

DataScale scale_of(const torch::Tensor& x) {
  const torch::NoGradGuard no_grad;
  const auto [least, most] = x.aminmax();
  const double square = x.to(torch::kDouble).square().mean().item<double>();
  return {least.item<double>(), most.item<double>(), std::sqrt(square)};
}

std::string to_text(const DataScale& scale) {
  return fmt::format("x runs from {:.4g} to {:.4g}, with a root mean square of {:.3g}", scale.least,
                     scale.most, scale.root_mean_square);
}

std::string scale_problem(const DataScale& scale, const Observation& observation) {
  constexpr double kSmallest = 0.01;
  constexpr double kLargest = 10;
  const bool density = likelihood_kind(observation.likelihood()).measure == Measure::kDensity;
  if (!density || observation.values() != Values::kRaw) return "";
  const double size = scale.root_mean_square;
  if (size == 0 || (size >= kSmallest && size <= kLargest)) return "";
  return fmt::format(
      "{}, where a model begins near 0 with a deviation of about 1: set --data.values standardised "
      "in place of raw (figures stay in the file's units), or scale the file",
      to_text(scale));
}

}  // namespace elbow
