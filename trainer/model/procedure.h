// What a model can be asked, whatever its procedure of training: the terms of a shard's objective,
// the figures of a block, a sample.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "trainer/model/keyed_noise.h"
#include "trainer/model/network.h"

namespace elbow {

// Some samples of a batch, with their noise key.
struct Shard {
  torch::Tensor x;                        // [B, shape...], from Observation::x
  std::span<const std::int64_t> indices;  // [B], global sample indices
};

// Per sample, [B], nats, differentiable. Figures are in the units of Observation::measure().
struct Terms {
  torch::Tensor objective;  // what is maximised: the loss of a shard is minus its sum
  torch::Tensor elbo;       // reported beside it; equal to it for plain training
  torch::Tensor reconstruction;
  torch::Tensor kl;
};

// Per sample, [B], nats unless stated. A figure without meaning for a model is an empty vector.
struct BlockFigures {
  std::vector<double> elbo;
  std::vector<double> reconstruction;
  std::vector<double> kl;
  std::vector<double> log_likelihood;           // importance-sampled: an estimate, biased low
  std::vector<double> effective_sample_size;    // out of the number of draws
  std::vector<double> log_likelihood_variance;  // Monte Carlo, 1/ESS - 1/K, nats^2
};

// What is shown of p(x | z).
enum class Show { kMean, kDraw };

// Not thread-safe: one thread at a time per object.
class Procedure : public torch::nn::Module {
 public:
  // `draws` L >= 1 from the posterior of each sample, averaged. Noise: Purpose::kPosterior by
  // (index, draw).
  virtual Terms terms(const Shard& shard, const RunNoise& noise, std::int64_t draws) = 0;

  // `samples` K >= 1 draws a sample, one draw of the whole block at a time, so that memory does not
  // grow with K. Noise: Purpose::kEvaluation by (index, draw). Records no gradient.
  virtual BlockFigures evaluate(const Shard& shard, std::int64_t samples,
                                const RunNoise& noise) = 0;

  // x [B, shape...] from the prior, one for each number in `indices`. Noise: Purpose::kSampling,
  // draw 0 for z and 1 for x.
  virtual torch::Tensor sample(std::span<const std::int64_t> indices, const RunNoise& noise,
                               Show show) = 0;

  // [B, shape...]: the mean of p(x | z) at the posterior's mean of each sample.
  virtual torch::Tensor reconstruct(const Shard& shard) = 0;

  virtual std::vector<LayerDescription> layers() const = 0;
  virtual std::string summary() const = 0;  // one line for a person
};

}  // namespace elbow
