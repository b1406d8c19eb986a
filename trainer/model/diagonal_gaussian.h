// N(mean, diag exp(log_variance)), the posterior of amortised inference (Kingma & Welling 2014).
#pragma once

#include "trainer/model/posterior.h"

namespace elbow {

class DiagonalGaussian : public Posterior {
 public:
  // Encoder output [B, 2D]: D means, then D logarithms of variances.
  explicit DiagonalGaussian(const torch::Tensor& encoder_output);
  DiagonalGaussian(torch::Tensor mean_BD, torch::Tensor log_variance_BD);

  torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                      std::uint32_t draw) const override;
  torch::Tensor draw(const torch::Tensor& noise_BD) const override;
  torch::Tensor log_density(const torch::Tensor& z_BD) const override;
  torch::Tensor mean() const override { return mean_; }
  const torch::Tensor& log_variance() const { return log_variance_; }

  // KL to N(0, I): 1/2 sum_d (mu_d^2 + s_d^2 - log s_d^2 - 1), [B] in nats.
  torch::Tensor kl_to_standard_normal() const;

 private:
  torch::Tensor mean_;
  torch::Tensor log_variance_;
};

}  // namespace elbow
