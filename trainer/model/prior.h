// p(z), or p(z | c), and which family of posteriors goes with it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "trainer/model/keyed_noise.h"
#include "trainer/model/latent_axis.h"
#include "trainer/model/network.h"
#include "trainer/model/posterior.h"
#include "trainer/model/prior_options.h"

namespace elbow {

// A module, since priors may be learned. `c` [B, C] is what the model is conditioned on, undefined
// for a model without conditions; most priors do not look at it.
class Prior : public torch::nn::Module {
 public:
  virtual std::int64_t latent() const = 0;  // D

  // log p(z | c), [B], nats.
  virtual torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& c) const = 0;

  // z_BD where the prior's parameters (or c) are, else in host memory; row b from the noise of
  // (indices[b], draw).
  virtual torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                               std::uint32_t draw, const torch::Tensor& c,
                               at::ScalarType type) const = 0;

  // An encoder gives so many numbers a sample, and they mean this distribution. Its support is the
  // prior's: inside, or the KL is infinite; all of it, or importance sampling is biased.
  virtual std::int64_t posterior_parameters() const = 0;
  virtual std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const = 0;

  // The numbers that mean a q around the middle of p and much narrower, [posterior_parameters()]:
  // where the codes of samples can begin that are to be told apart. Zeros where there is none.
  virtual torch::Tensor concentrated_posterior() const {
    return torch::zeros({posterior_parameters()});
  }

  // z for a person: "20 latents", "1 latent of 10 values".
  virtual std::string summary() const;

  // In the order of z; they make up all of it. Independent numbers without limits for most.
  virtual std::vector<LatentAxis> axes() const;

  // Factors that p is a product of: for most, the entries of z.
  virtual std::int64_t factors() const { return latent(); }

  // KL(q, p) in closed form, [B, factors()] in nats, which add up to it. None where there is no
  // closed form, and it is estimated from draws.
  virtual std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                                    const torch::Tensor& c) const = 0;

  // For another program (docs/formats.md, "Export"): {"kind": "gaussian", "latent": 20, ...,
  // "posterior": {...}}, formulas and names of tensors relative to the prior, and how posterior()
  // reads an encoder's output.
  virtual nlohmann::ordered_json architecture() const = 0;

  // For a prior that is made of the model's own encoder (VampPrior): called once, when there is
  // one.
  virtual void set_encoder(const std::shared_ptr<Network>& /*encoder*/) {}
};

std::vector<std::string> prior_names();

// What a prior may need to know of the model it is part of.
struct PriorSetting {
  std::int64_t condition = 0;            // entries of c; 0: the model has no condition
  std::vector<std::int64_t> shape = {};  // of x
};

// Throws ConfigError for a name that is not registered, and where the prior does not go with the
// setting.
std::shared_ptr<Prior> make_prior(const PriorOptions& options, const PriorSetting& setting = {});

}  // namespace elbow
