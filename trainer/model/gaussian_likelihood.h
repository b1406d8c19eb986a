// p(x | z) = N(G(z), s^2 I): log p = -|x - G|^2 / (2 s^2) - D/2 log(2 pi s^2).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"

namespace elbow {

// sigma = "learned": s^2 = exp(2 log_sigma) + floor^2, `log_sigma` a scalar parameter. The floor
// keeps the density bounded on data that a model can fit exactly, and leaves a gradient to come
// back with. It begins at a third of a typical deviation of a variable: 0.1 for 8-bit data. A
// number: that s, not learned.
class GaussianLikelihood : public Likelihood {
 public:
  GaussianLikelihood(const ModelOptions& options, const Observation& observation);

  std::int64_t parameters_per_variable() const override { return 1; }
  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override;
  torch::Tensor mean(const torch::Tensor& output) const override;
  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override;
  std::string summary() const override;

  double sigma() const;
  // Throws ConfigError for a sigma that is not above the floor.
  void set_sigma(double sigma);

 private:
  torch::Tensor variance() const;  // a scalar, differentiable

  double fixed_sigma_ = 0;  // used when log_sigma_ is undefined
  double floor_ = 0;
  torch::Tensor log_sigma_;
};

std::shared_ptr<Likelihood> make_gaussian_likelihood(const ModelOptions& options,
                                                     const Observation& observation);

}  // namespace elbow
