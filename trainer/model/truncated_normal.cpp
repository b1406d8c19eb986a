#include "trainer/model/truncated_normal.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace elbow {
namespace {

constexpr double kMiddleScale = 0.1;   // of .001 ... 10, in logarithms
constexpr double kScaleRange = 100.0;  // and so many times less or more
constexpr double kScalesBeyond = 3.0;

torch::Tensor normal_density(const torch::Tensor& x) {
  return (-0.5 * x.square()).exp() / std::sqrt(2.0 * std::numbers::pi);
}

torch::Tensor scale(const torch::Tensor& output) {
  const double middle = std::log(kMiddleScale);
  const double range = std::log(kScaleRange);
  return (middle + range * ((output - middle) / range).tanh()).exp();
}

torch::Tensor location(const torch::Tensor& output, const torch::Tensor& scale_BD) {
  const auto limit = 1.0 + kScalesBeyond * scale_BD;
  return limit * (output / limit).tanh();
}

torch::Tensor half(const torch::Tensor& encoder_output, std::int64_t which) {
  return encoder_output.chunk(2, 1)[static_cast<std::size_t>(which)].to(torch::kDouble);
}

}  // namespace

nlohmann::ordered_json TruncatedNormal::architecture(std::int64_t latent) {
  return {{"kind", "truncated-normal"},
          {"interval", {-1, 1}},
          {"r", {0, latent}},
          {"t", {latent, 2 * latent}},
          {"log_s", "log(0.1) + log(100) tanh((t - log(0.1)) / log(100))"},
          {"mu", "(1 + 3 s) tanh(r / (1 + 3 s))"},
          {"mean",
           "mu + s (phi(a) - phi(b)) / (Phi(b) - Phi(a)) with a = (-1 - mu) / s, "
           "b = (1 - mu) / s, phi and Phi of the standard normal distribution"}};
}

torch::Tensor TruncatedNormal::concentrated(std::int64_t latent) {
  const double t = std::log(0.1) + std::log(100.0) * std::atanh(std::log(0.5) / std::log(100.0));
  return torch::cat({torch::zeros({latent}), torch::full({latent}, t)});
}

TruncatedNormal::TruncatedNormal(const torch::Tensor& encoder_output)
    : TruncatedNormal(location(half(encoder_output, 0), scale(half(encoder_output, 1))),
                      scale(half(encoder_output, 1)), encoder_output.scalar_type()) {}

TruncatedNormal::TruncatedNormal(const torch::Tensor& location_BD, const torch::Tensor& scale_BD)
    : TruncatedNormal(location_BD, scale_BD, location_BD.scalar_type()) {}

TruncatedNormal::TruncatedNormal(const torch::Tensor& location_BD, const torch::Tensor& scale_BD,
                                 at::ScalarType type)
    : type_(type),
      mu_(location_BD.to(torch::kDouble)),
      s_(scale_BD.to(torch::kDouble)),
      a_((-1.0 - mu_) / s_),
      b_((1.0 - mu_) / s_),
      cdf_a_(torch::special_ndtr(a_)),
      mass_(torch::special_ndtr(b_) - cdf_a_),
      slope_((normal_density(a_) - normal_density(b_)) / mass_),
      stretch_((a_ * normal_density(a_) - b_ * normal_density(b_)) / mass_) {}

torch::Tensor TruncatedNormal::noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                                     std::uint32_t draw) const {
  return uniform_noise(key, indices, draw, {mu_.size(1)}, type_).to(mu_.device());
}

torch::Tensor TruncatedNormal::draw(const torch::Tensor& noise_BD) const {
  const auto probability = torch::addcmul(cdf_a_, noise_BD.to(torch::kDouble), mass_);
  return torch::addcmul(mu_, s_, torch::special_ndtri(probability)).clamp(-1.0, 1.0).to(type_);
}

torch::Tensor TruncatedNormal::log_density(const torch::Tensor& z_BD) const {
  const auto z = z_BD.to(torch::kDouble);
  const double log_two_pi = std::log(2.0 * std::numbers::pi);
  const auto log_q = -0.5 * (((z - mu_) / s_).square() + log_two_pi) - (s_ * mass_).log();
  const auto outside = z.abs().gt(1.0);
  return log_q.masked_fill(outside, -std::numeric_limits<double>::infinity()).sum(1).to(type_);
}

torch::Tensor TruncatedNormal::mean() const {
  return torch::addcmul(mu_, s_, slope_).clamp(-1.0, 1.0).to(type_);
}

// Rounding alone could make the difference negative.
torch::Tensor TruncatedNormal::deviation() const {
  const auto variance = (1.0 + stretch_ - slope_.square()).clamp_min(0.0);
  return (s_ * variance.sqrt()).to(type_);
}

std::unique_ptr<Posterior> TruncatedNormal::detached() const {
  return std::unique_ptr<Posterior>(new TruncatedNormal(mu_.detach(), s_.detach(), type_));
}

torch::Tensor TruncatedNormal::kl_to_uniform() const {
  const double constant = std::log(2.0) - 0.5 * std::log(2.0 * std::numbers::pi * std::numbers::e);
  return (constant - (s_ * mass_).log() - 0.5 * stretch_).to(type_);
}

}  // namespace elbow
