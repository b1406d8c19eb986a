// Latent optimisation: max over the decoder and over a q_i of every sample of the ELBO, with no
// encoder between them (Hoffman et al. 2013; the lecture's 'Latent Optimization').
#pragma once

#include <memory>

#include "trainer/model/conditioning.h"
#include "trainer/model/fitted_posterior.h"
#include "trainer/model/latent_procedure.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"

namespace elbow {

// A sample's row holds what Prior::posterior reads: for a gaussian prior [2D], mu_i and log s_i^2.
// A sample without a row has its q fitted with the decoder frozen, so that its figures are those of
// a test sample.
class LatentOptimisation : public LatentProcedure {
 public:
  LatentOptimisation(LatentModel model, const PosteriorFit& fit);

  std::int64_t row_width() const override { return model_.prior->posterior_parameters(); }
  // Prior::concentrated_posterior() with normal noise of deviation 0.01. Were q as wide as the
  // prior, draws would tell the decoder nothing of the sample, and it would learn to ignore them.
  torch::Tensor initial_rows(std::span<const std::int64_t> indices,
                             const RunNoise& noise) const override;
  std::string summary() const override;

 protected:
  std::unique_ptr<Posterior> training_posterior(const Shard& shard) const override;
  std::unique_ptr<Posterior> evaluation_posterior(const Shard& shard,
                                                  const RunNoise& noise) const override;

 private:
  PosteriorFit fit_;
};

// Throws ConfigError for a prior that is made of an encoder.
std::shared_ptr<Procedure> make_latent_optimisation(const ModelOptions& options,
                                                    const Observation& observation,
                                                    const Conditioning& conditioning);

}  // namespace elbow
