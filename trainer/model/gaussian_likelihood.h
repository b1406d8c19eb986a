// p(x | z) = N(G(z), s^2 I): log p = -|x - G|^2 / (2 s^2) - D/2 log(2 pi s^2).
#pragma once

#include <memory>

#include "trainer/model/scaled_likelihood.h"

namespace elbow {

// model.sigma is s. Its optimum is s^2 = mean of E_q |x - G|^2 / D (Rybkin et al. 2021).
class GaussianLikelihood : public ScaledLikelihood {
 public:
  GaussianLikelihood(const LikelihoodOptions& options, const Observation& observation);

  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override;
  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override;
  nlohmann::ordered_json architecture() const override;
  void fit(double mean_log_density, std::int64_t variables) override;
};

std::shared_ptr<Likelihood> make_gaussian_likelihood(const LikelihoodOptions& options,
                                                     const Observation& observation);

}  // namespace elbow
