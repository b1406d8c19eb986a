// Independent categorical variables, z their one-hot vectors one after the other: a finite latent
// space, whose values are summed over where they are few.
#pragma once

#include <vector>

#include "trainer/model/posterior.h"

namespace elbow {

class Categorical : public Posterior {
 public:
  // Up to so many joint values() are enumerated.
  static constexpr std::int64_t kMostValues = 64;

  // Logits [B, D], D the sum of the variables' `counts` of categories.
  Categorical(const torch::Tensor& logits_BD, std::vector<std::int64_t> counts, double temperature);

  // Uniform on (0, 1), one a category.
  torch::Tensor noise(const NoiseKey& key, std::span<const std::int64_t> indices,
                      std::uint32_t draw) const override;
  // Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017): softmax((logits + g) / temperature) of
  // each variable, g = -ln(-ln u). Relaxed also where values() are few: as part of a product, where
  // nothing is enumerated, it has to be differentiable.
  torch::Tensor draw(const torch::Tensor& noise_BD) const override;
  bool is_relaxed() const override { return true; }
  // One-hot at the largest logits + g of each variable (Gumbel 1954), of the same noise: what
  // draw() tends to as the temperature falls.
  torch::Tensor exact_draw(const torch::Tensor& noise_BD) const override;

  torch::Tensor log_density(const torch::Tensor& z_BD) const override;  // of one-hot z
  torch::Tensor mean() const override;                                  // the probabilities
  torch::Tensor deviation() const override;
  std::unique_ptr<Posterior> detached() const override;

  // The joint values of all variables, the last one changing fastest; 0 above kMostValues.
  std::int64_t values() const override { return values_; }
  torch::Tensor value(std::int64_t k) const override;

  // KL to the uniform distribution, ln K + sum_k q_k ln q_k, a column a variable: [B, V] in nats.
  torch::Tensor kl_to_uniform() const;

 private:
  torch::Tensor perturbed(const torch::Tensor& noise_BD) const;

  torch::Tensor log_probability_;  // [B, D], normalised for each variable
  std::vector<std::int64_t> counts_;
  double temperature_;
  std::int64_t values_;
};

}  // namespace elbow
