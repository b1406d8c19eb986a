#include "trainer/model/diagonal_gaussian.h"

#include <cmath>
#include <numbers>

namespace elbow {

DiagonalGaussian::DiagonalGaussian(const torch::Tensor& encoder_output) {
  const auto halves = encoder_output.chunk(2, 1);
  mean_ = halves[0];
  log_variance_ = halves[1];
}

torch::Tensor DiagonalGaussian::concentrated(std::int64_t latent) {
  return torch::cat({torch::zeros({latent}), torch::full({latent}, 2 * std::log(0.05))});
}

DiagonalGaussian::DiagonalGaussian(torch::Tensor mean_BD, torch::Tensor log_variance_BD)
    : mean_(std::move(mean_BD)), log_variance_(std::move(log_variance_BD)) {}

nlohmann::ordered_json DiagonalGaussian::architecture(std::int64_t latent) {
  return {{"kind", "gaussian"}, {"mean", {0, latent}}, {"log_variance", {latent, 2 * latent}}};
}

torch::Tensor DiagonalGaussian::noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                                      std::uint32_t draw) const {
  return normal_noise(key, indices, draw, {mean_.size(1)}, mean_.scalar_type()).to(mean_.device());
}

torch::Tensor DiagonalGaussian::draw(const torch::Tensor& noise_BD) const {
  return torch::addcmul(mean_, (0.5 * log_variance_).exp(), noise_BD);
}

torch::Tensor DiagonalGaussian::log_density(const torch::Tensor& z_BD) const {
  const auto squares = (z_BD - mean_).square() * (-log_variance_).exp();
  const double log_two_pi = std::log(2.0 * std::numbers::pi);
  return -0.5 * (squares + log_variance_ + log_two_pi).sum(1);
}

// expm1 keeps the digits that exp(v) - v - 1 loses near v = 0, where training begins.
torch::Tensor DiagonalGaussian::kl_to_standard_normal() const {
  return 0.5 * (mean_.square() + torch::expm1(log_variance_) - log_variance_);
}

torch::Tensor DiagonalGaussian::kl_to(const DiagonalGaussian& other) const {
  const auto log_ratio = log_variance_ - other.log_variance_;
  const auto distance = (mean_ - other.mean_).square() * (-other.log_variance_).exp();
  return 0.5 * (distance + torch::expm1(log_ratio) - log_ratio);
}

}  // namespace elbow
