// A mixture of diagonal Gaussians, as mixture priors have it: its density and draws from it.
#pragma once

#include <cstdint>
#include <span>

#include <torch/types.h>

#include "trainer/model/keyed_noise.h"

namespace elbow {

struct GaussianMixture {
  torch::Tensor mean;          // [K, D]
  torch::Tensor log_variance;  // [K, D]
  torch::Tensor log_weight;    // [K], of numbers that add up to 1
};

// log sum_k w_k N(z; mean_k, variance_k) for each row of z [B, D], nats; in the type of z. Takes
// memory for B K D numbers.
torch::Tensor log_density(const GaussianMixture& mixture, const torch::Tensor& z_BD);

// [B, D] where the mixture is. Of a row's noise, element 0 (uniform) chooses the component and
// elements from 2 on (normal) are the variates, so that they share no bits.
torch::Tensor sample(const GaussianMixture& mixture, const NoiseKey& key,
                     std::span<const std::int64_t> indices, std::uint32_t draw,
                     at::ScalarType type);

}  // namespace elbow
