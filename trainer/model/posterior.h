// q(z | x), an encoder's output read as a distribution.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <torch/types.h>

#include "trainer/model/keyed_noise.h"

namespace elbow {

// Of a batch: one distribution a row, over a latent vector of D numbers.
class Posterior {
 public:
  virtual ~Posterior() = default;

  // The standard variates (normal, uniform ...) that one draw of the whole batch is made of, with
  // the type and device of the distribution's parameters.
  virtual torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                              std::uint32_t draw) const = 0;

  // z_BD from such variates, differentiable in the distribution's parameters.
  virtual torch::Tensor draw(const torch::Tensor& noise) const = 0;

  virtual torch::Tensor log_density(const torch::Tensor& z_BD) const = 0;  // [B], nats
  virtual torch::Tensor mean() const = 0;                                  // [B, D]
};

}  // namespace elbow
