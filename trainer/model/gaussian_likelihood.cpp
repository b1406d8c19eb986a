#include "trainer/model/gaussian_likelihood.h"

#include <cmath>
#include <numbers>

#include "trainer/model/keyed_noise.h"

namespace elbow {

GaussianLikelihood::GaussianLikelihood(const LikelihoodOptions& options,
                                       const Observation& observation)
    : ScaledLikelihood("gaussian", options, observation) {}

torch::Tensor GaussianLikelihood::log_density(const torch::Tensor& x,
                                              const torch::Tensor& output) const {
  const auto s2 = variance();
  const auto squares = (x - mean(output)).square();
  const auto log_normaliser =
      sum_over(s2.log() + std::log(2.0 * std::numbers::pi), x.numel() / x.size(0));
  return -0.5 * (sum_divided(squares, s2) + log_normaliser);
}

torch::Tensor GaussianLikelihood::sample(const torch::Tensor& output, const NoiseKey& key,
                                         std::span<const std::int64_t> indices,
                                         std::uint32_t draw) const {
  const auto centre = mean(output);
  const auto noise =
      normal_noise(key, indices, draw, centre.sizes().slice(1), centre.scalar_type());
  return centre + variance().sqrt() * noise.to(centre.device());
}

nlohmann::ordered_json GaussianLikelihood::architecture() const {
  auto json = ScaledLikelihood::architecture();
  json["distribution"] = "N(centre, sigma^2) of each variable";
  return json;
}

void GaussianLikelihood::fit(double mean_log_density, std::int64_t variables) {
  const auto count = static_cast<double>(variables);
  const double s2 = sigma() * sigma();
  const double log_normaliser = count * std::log(2.0 * std::numbers::pi * s2);
  const double squares = -s2 * (2.0 * mean_log_density + log_normaliser);
  set_optimum(squares / count);
}

std::shared_ptr<Likelihood> make_gaussian_likelihood(const LikelihoodOptions& options,
                                                     const Observation& observation) {
  return std::make_shared<GaussianLikelihood>(options, observation);
}

}  // namespace elbow
