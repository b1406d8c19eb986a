// p(x | z), from what a decoder gives for z.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/nn/module.h>

#include "base/noise.h"
#include "trainer/model/likelihood_options.h"
#include "trainer/model/observation.h"

namespace elbow {

// A module that owns the parameters it learns. `output` is [B, P, shape...], P numbers for each
// variable of x [B, shape...].
class Likelihood : public torch::nn::Module {
 public:
  virtual std::int64_t parameters_per_variable() const = 0;  // P

  // log p(x | z) of each sample, [B], nats, with every normaliser.
  virtual torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const = 0;

  // E[x | z] and a draw of x, [B, shape...]; row b of a draw from the noise of (indices[b], draw).
  virtual torch::Tensor mean(const torch::Tensor& output) const = 0;
  virtual torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                               std::span<const std::int64_t> indices, std::uint32_t draw) const = 0;

  // A likelihood with a parameter that no gradient moves, but that has an optimum in closed form
  // given the networks. fit() sets it, from the mean of E_q log p(x | z) over the training set
  // under the present parameters, without Jacobian: never over a batch or a test set. Throws Error
  // for a mean that is not finite, and where there is nothing to fit.
  virtual bool is_fitted() const { return false; }
  virtual void fit(double mean_log_density, std::int64_t variables);

  // For another program (docs/formats.md, "Export"): {"kind": "bernoulli",
  // "parameters_per_variable": 1, "mean": "sigmoid(output[:, 0])", ...}, names of tensors relative
  // to the likelihood.
  virtual nlohmann::ordered_json architecture() const = 0;

  virtual std::string summary() const = 0;  // "gaussian likelihood, sigma 0.1 (learned)"
};

// What is known of a kind before there is a model.
struct LikelihoodKind {
  std::string name;
  Measure measure;
  std::shared_ptr<Likelihood> (*make)(const LikelihoodOptions&, const Observation&);
};

std::vector<std::string> likelihood_names();

// Both throw ConfigError for a name that is not registered, make_likelihood also for options that
// do not go with the likelihood, and Error for an observation made with other options.
const LikelihoodKind& likelihood_kind(const std::string& name);
std::shared_ptr<Likelihood> make_likelihood(const LikelihoodOptions& options,
                                            const Observation& observation);

}  // namespace elbow
