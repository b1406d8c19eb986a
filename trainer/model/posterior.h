// q(z | x), an encoder's output read as a distribution.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <torch/types.h>

#include "trainer/model/keyed_noise.h"

namespace elbow {

// The posteriors of a batch: one distribution per row, over a latent vector of D numbers.
class Posterior {
 public:
  virtual ~Posterior() = default;

  // The standard variates (normal, uniform ...) that one draw of the whole batch is made of, [B, D]
  // with the type and device of the distribution's parameters.
  virtual torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                              std::uint32_t draw) const = 0;

  // z_BD from such variates, differentiable in the distribution's parameters. Where a discrete
  // distribution can't be, a draw from a relaxation of it, of which log_density() says nothing.
  virtual torch::Tensor draw(const torch::Tensor& noise) const = 0;
  virtual bool is_relaxed() const { return false; }
  // z_BD from the distribution itself, and from the same variates.
  virtual torch::Tensor exact_draw(const torch::Tensor& noise) const { return draw(noise); }

  virtual torch::Tensor log_density(const torch::Tensor& z_BD) const = 0;  // [B], nats
  virtual torch::Tensor mean() const = 0;                                  // [B, D]
  virtual torch::Tensor deviation() const = 0;                             // [B, D]

  // The same distribution, its parameters taken as constants.
  virtual std::unique_ptr<Posterior> detached() const = 0;

  // A distribution over so few values that sums over all of them are taken instead of draws: how
  // many, 0 for most, and z_BD with each row the k-th.
  virtual std::int64_t values() const { return 0; }
  virtual torch::Tensor value(std::int64_t /*k*/) const { return {}; }
};

}  // namespace elbow
