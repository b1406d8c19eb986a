// Latent optimisation: max over the decoder and over a q_i of every sample of the ELBO, with no
// encoder between them (Hoffman et al. 2013; the lecture's 'Latent Optimization').
#pragma once

#include <memory>

#include "trainer/model/fitted_posterior.h"

namespace elbow {

// A sample's row holds what Prior::posterior reads: for a gaussian prior [2D], mu_i and log s_i^2.
// Parameters are named decoder..., prior..., likelihood..., in this order. A sample without a row
// has its q fitted with the decoder frozen, so that its figures are those of a test sample.
class LatentOptimisation : public Procedure {
 public:
  LatentOptimisation(LatentModel model, const PosteriorFit& fit);

  Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) override;
  std::int64_t statistics(const Objective& objective) const override;
  torch::Tensor batch_statistics(const Shard& shard, const Objective& objective) override;
  BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                        const RunNoise& noise) override;
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) override;
  torch::Tensor reconstruct(const Shard& shard) override;
  Code encode(const Shard& shard) override;
  torch::Tensor decode(const torch::Tensor& z, const torch::Tensor& c) override;
  std::int64_t row_width() const override { return model_.prior->posterior_parameters(); }
  // Near 0, where a gaussian q is the prior: normal noise of deviation 0.01.
  torch::Tensor initial_rows(std::span<const std::int64_t> indices,
                             const RunNoise& noise) const override;
  std::vector<LayerDescription> layers() const override;
  std::string summary() const override;

  const LatentModel& model() const { return model_; }

 private:
  torch::Tensor rows_or_fit(const Shard& shard, const RunNoise& noise) const;

  LatentModel model_;
  PosteriorFit fit_;
};

// Throws ConfigError for a prior that is made of an encoder.
std::shared_ptr<Procedure> make_latent_optimisation(const ModelOptions& options,
                                                    const Observation& observation,
                                                    const Conditioning& conditioning);

}  // namespace elbow
