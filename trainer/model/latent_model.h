// p(x, z | c) = p(z | c) p(x | z, c), what every latent-variable model consists of, and what a
// proposal q(z) makes of it, wherever it comes from: a bound to maximise, an estimate of log p(x).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"
#include "trainer/model/network.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"
#include "trainer/model/prior.h"
#include "trainer/model/procedure.h"

namespace elbow {

// The parts are registered by the procedure that owns it. Computes in the type of their parameters
// and of x, float or double.
struct LatentModel {
  std::shared_ptr<Network> decoder;
  std::shared_ptr<Prior> prior;
  std::shared_ptr<Likelihood> likelihood;
  double log_jacobian = 0;     // of the observation, added to every log p(x | z)
  std::int64_t variables = 0;  // of x

  torch::Tensor log_likelihood(const torch::Tensor& x, const torch::Tensor& z_BD,
                               const torch::Tensor& c) const;  // log p(x | z, c), [B]

  // Terms of a training step under q. Noise: Purpose::kPosterior. The ELBO beside an objective that
  // is none is that of the same draws; of hard draws where q is relaxed.
  Terms terms(const Posterior& q, const Shard& shard, const RunNoise& noise,
              const Objective& objective) const;

  // Procedure::evaluate under q, a distribution in double. Exact where q has so few values that all
  // can be summed over: then without draws and without Monte Carlo error.
  BlockFigures evaluate(const Posterior& q, const Shard& shard, std::int64_t samples,
                        const RunNoise& noise) const;

  // Procedure::sample.
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) const;
};

// With decoder, prior and likelihood as the options say, given `condition` numbers beside z.
LatentModel make_latent_model(const ModelOptions& options, const Observation& observation,
                              std::int64_t condition);

// As BlockFigures hold them, from any type and device.
std::vector<double> to_vector(const torch::Tensor& tensor);

// Throws Error unless x has a row for each index and there is at least one draw: a mistake of the
// program.
void require_fitting_shard(const Shard& shard, std::int64_t draws);

// Throws Error unless each sample has a row of `width` numbers, as it has in training.
void require_rows(const Shard& shard, std::int64_t width);

// Rows [B, width] near 0 to begin a training with: normal noise of deviation 0.01.
torch::Tensor small_rows(std::span<const std::int64_t> indices, const RunNoise& noise,
                         std::int64_t width);

}  // namespace elbow
