// p(z), and which family of posteriors goes with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "trainer/model/keyed_noise.h"
#include "trainer/model/options.h"
#include "trainer/model/posterior.h"

namespace elbow {

// A module, since priors may be learned.
class Prior : public torch::nn::Module {
 public:
  virtual std::int64_t latent() const = 0;  // D

  virtual torch::Tensor log_density(const torch::Tensor& z_BD) const = 0;  // [B], nats

  // z_BD in host memory, row b from the noise of (indices[b], draw).
  virtual torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                               std::uint32_t draw, at::ScalarType type) const = 0;

  // An encoder gives so many numbers a sample, and they mean this distribution. Its support is the
  // prior's: inside, or the KL is infinite; all of it, or importance sampling is biased.
  virtual std::int64_t posterior_parameters() const = 0;
  virtual std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const = 0;

  // KL(q, p) in closed form, [B] in nats; none where there is none, and it is estimated from draws.
  virtual std::optional<torch::Tensor> kl(const Posterior& q) const = 0;
};

std::vector<std::string> prior_names();

// Throws ConfigError for a name that is not registered.
std::shared_ptr<Prior> make_prior(const ModelOptions& options);

}  // namespace elbow
