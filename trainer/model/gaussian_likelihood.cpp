#include "trainer/model/gaussian_likelihood.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {

GaussianLikelihood::GaussianLikelihood(const ModelOptions& options, const Observation& observation)
    : floor_(options.sigma_floor) {
  if (options.sigma == "learned") {
    log_sigma_ = register_parameter("log_sigma", torch::zeros({}));
    set_sigma(std::max(observation.typical_deviation() / 3.0, 2.0 * floor_));
    return;
  }
  if (!parse_number(options.sigma, fixed_sigma_) || !(fixed_sigma_ > 0) ||
      !std::isfinite(fixed_sigma_)) {
    throw ConfigError(fmt::format(
        "option model.sigma: '{}' is neither 'learned' nor a number above 0", options.sigma));
  }
}

void GaussianLikelihood::set_sigma(double sigma) {
  if (!log_sigma_.defined()) {
    fixed_sigma_ = sigma;
    return;
  }
  if (!(sigma > floor_)) {
    throw ConfigError(
        fmt::format("sigma {} is not above its floor, model.sigma_floor = {}", sigma, floor_));
  }
  torch::NoGradGuard no_grad;
  log_sigma_.fill_(0.5 * std::log(sigma * sigma - floor_ * floor_));
}

double GaussianLikelihood::sigma() const {
  torch::NoGradGuard no_grad;
  return std::sqrt(variance().item<double>());
}

torch::Tensor GaussianLikelihood::variance() const {
  if (!log_sigma_.defined()) return torch::tensor(fixed_sigma_ * fixed_sigma_, torch::kDouble);
  return (2.0 * log_sigma_).exp() + floor_ * floor_;
}

torch::Tensor GaussianLikelihood::log_density(const torch::Tensor& x,
                                              const torch::Tensor& output) const {
  const auto squares = (x - mean(output)).flatten(1).square().sum(1);
  const auto s2 = variance();
  const double half_variables = 0.5 * static_cast<double>(x.numel() / x.size(0));
  return squares * (-0.5 / s2) - half_variables * (s2.log() + std::log(2.0 * std::numbers::pi));
}

torch::Tensor GaussianLikelihood::mean(const torch::Tensor& output) const {
  return output.squeeze(1);
}

torch::Tensor GaussianLikelihood::sample(const torch::Tensor& output, const NoiseKey& key,
                                         std::span<const std::int64_t> indices,
                                         std::uint32_t draw) const {
  const auto centre = mean(output);
  const auto noise =
      normal_noise(key, indices, draw, centre.sizes().slice(1), centre.scalar_type());
  return centre + sigma() * noise.to(centre.device());
}

std::string GaussianLikelihood::summary() const {
  return fmt::format("gaussian likelihood, sigma {:.4g} ({})", sigma(),
                     log_sigma_.defined() ? "learned" : "fixed");
}

std::shared_ptr<Likelihood> make_gaussian_likelihood(const ModelOptions& options,
                                                     const Observation& observation) {
  return std::make_shared<GaussianLikelihood>(options, observation);
}

}  // namespace elbow
