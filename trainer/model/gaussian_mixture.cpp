#include "trainer/model/gaussian_mixture.h"

#include <cmath>
#include <numbers>

namespace elbow {

torch::Tensor log_density(const GaussianMixture& mixture, const torch::Tensor& z_BD) {
  const auto type = z_BD.scalar_type();
  const auto log_variance = mixture.log_variance.to(type);
  const auto difference_BKD = z_BD.unsqueeze(1) - mixture.mean.to(type);
  const double log_two_pi = std::log(2.0 * std::numbers::pi);
  const auto squares_BK = (difference_BKD.square() * (-log_variance).exp()).sum(2);
  const auto normaliser_K = (log_variance + log_two_pi).sum(1);
  return torch::logsumexp(mixture.log_weight.to(type) - 0.5 * (squares_BK + normaliser_K), 1);
}

torch::Tensor sample(const GaussianMixture& mixture, const NoiseKey& key,
                     std::span<const std::int64_t> indices, std::uint32_t draw,
                     at::ScalarType type) {
  const auto device = mixture.mean.device();
  const std::int64_t latent = mixture.mean.size(1);
  const auto cumulative = mixture.log_weight.to(torch::kDouble).exp().cumsum(0);
  const auto thresholds = cumulative.slice(0, 0, cumulative.size(0) - 1);
  const auto uniform = uniform_noise(key, indices, draw, {1}, torch::kDouble).to(device);
  const auto component = uniform.ge(thresholds).sum(1);
  const auto normal =
      normal_noise(key, indices, draw, {2 + latent}, type).narrow(1, 2, latent).to(device);
  return torch::addcmul(mixture.mean.index_select(0, component).to(type),
                        (0.5 * mixture.log_variance).exp().index_select(0, component).to(type),
                        normal);
}

}  // namespace elbow
