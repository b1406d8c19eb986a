// N(mu, diag s^2) truncated to [-1, 1]^D, the posterior that goes with a uniform prior: supported
// inside the cube, where the prior is, and on all of it.
#pragma once

#include <nlohmann/json.hpp>

#include "trainer/model/posterior.h"

namespace elbow {

// Computes in double whatever the type of its parameters: at s = 10 a KL of 1e-6 is a difference of
// numbers near 1. Results have the type of the parameters.
class TruncatedNormal : public Posterior {
 public:
  // Encoder output [B, 2D], r and t, D numbers each:
  //   log s = log .1 + log 100 tanh((t - log .1) / log 100), so that s is from .001 to 10,
  //   mu = (1 + 3s) tanh(r / (1 + 3s)), so that mu leaves the interval by 3 s at most.
  // With mu beyond an end the density is steepest there; farther out would only make it steeper
  // than a smaller s does.
  explicit TruncatedNormal(const torch::Tensor& encoder_output);
  static nlohmann::ordered_json architecture(std::int64_t latent);  // this, for another program
  static torch::Tensor concentrated(std::int64_t latent);           // what means mu = 0, s = .05
  // mu and s of the normal before it is truncated, [B, D] each; abs(mu) at most 1 + 3s.
  TruncatedNormal(const torch::Tensor& location_BD, const torch::Tensor& scale_BD);

  // Uniform on (0, 1).
  torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                      std::uint32_t draw) const override;
  // The inverse distribution function, z = mu + s Phi^-1(Phi(a) + u Z). Never leaves [-1, 1].
  torch::Tensor draw(const torch::Tensor& noise_BD) const override;
  // Minus infinity outside [-1, 1].
  torch::Tensor log_density(const torch::Tensor& z_BD) const override;
  torch::Tensor mean() const override;       // of the truncated distribution
  torch::Tensor deviation() const override;  // of the truncated distribution
  std::unique_ptr<Posterior> detached() const override;

  // KL to the uniform distribution on [-1, 1]^D, [B, D] in nats, for each dimension
  //   ln 2 - ln(sqrt(2 pi e) s Z) - (a phi(a) - b phi(b)) / 2Z
  // with a, b the standardised ends of the interval and Z = Phi(b) - Phi(a).
  torch::Tensor kl_to_uniform() const;

 private:
  TruncatedNormal(const torch::Tensor& location_BD, const torch::Tensor& scale_BD,
                  at::ScalarType type);

  at::ScalarType type_;  // of the parameters as given
  torch::Tensor mu_;     // [B, D] all, in double
  torch::Tensor s_;
  torch::Tensor a_;
  torch::Tensor b_;
  torch::Tensor cdf_a_;    // Phi(a)
  torch::Tensor mass_;     // Z
  torch::Tensor slope_;    // (phi(a) - phi(b)) / Z
  torch::Tensor stretch_;  // (a phi(a) - b phi(b)) / Z
};

}  // namespace elbow
