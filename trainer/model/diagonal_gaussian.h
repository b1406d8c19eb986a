// N(mean, diag exp(log_variance)), the posterior of amortised inference (Kingma & Welling 2014).
#pragma once

#include <nlohmann/json.hpp>

#include "trainer/model/posterior.h"

namespace elbow {

class DiagonalGaussian : public Posterior {
 public:
  // Encoder output [B, 2D]: D means, then D logarithms of variances.
  explicit DiagonalGaussian(const torch::Tensor& encoder_output);
  // How the first constructor reads it, for another program: ranges of its numbers.
  static nlohmann::ordered_json architecture(std::int64_t latent);
  // The numbers that mean N(0, .05^2 I).
  static torch::Tensor concentrated(std::int64_t latent);

  DiagonalGaussian(torch::Tensor mean_BD, torch::Tensor log_variance_BD);

  torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                      std::uint32_t draw) const override;
  torch::Tensor draw(const torch::Tensor& noise_BD) const override;
  torch::Tensor log_density(const torch::Tensor& z_BD) const override;
  torch::Tensor mean() const override { return mean_; }
  torch::Tensor deviation() const override { return (0.5 * log_variance_).exp(); }
  std::unique_ptr<Posterior> detached() const override {
    return std::make_unique<DiagonalGaussian>(mean_.detach(), log_variance_.detach());
  }
  const torch::Tensor& log_variance() const { return log_variance_; }

  // KL to N(0, I): 1/2 sum_d (mu_d^2 + s_d^2 - log s_d^2 - 1), the terms of the sum, [B, D] in
  // nats.
  torch::Tensor kl_to_standard_normal() const;
  // KL to another of the same shape: 1/2 sum_d (r_d - log r_d - 1 + (mu_d - m_d)^2 / v_d) with
  // r_d the ratio of variances s_d^2 / v_d, [B, D] in nats.
  torch::Tensor kl_to(const DiagonalGaussian& other) const;

 private:
  torch::Tensor mean_;
  torch::Tensor log_variance_;
};

}  // namespace elbow
