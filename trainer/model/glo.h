// Generative latent optimisation (Bojanowski et al. 2018): a decoder and a code of every sample,
// learned together by reconstruction alone.
#pragma once

#include <memory>

#include "trainer/model/conditioning.h"
#include "trainer/model/fitted_posterior.h"
#include "trainer/model/latent_procedure.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"

namespace elbow {

// Where codes live: in the unit ball, as in the paper, z / max(1, |z|), or on the unit sphere,
// z / |z|, as in the code that goes with it. Either is applied to what the decoder is given as
// well, so that it never sees another code.
enum class CodeSpace { kBall, kSphere };

// Rows [D] are codes. A code is a point: its KL to any prior with a density is infinite, and
// training claims no ELBO. Figures of a block are those of a declared model,
// p(z) = N(0, I), p(x | z) = the likelihood at the projected z, under a q fitted to the block.
// Samples are decoded from a Gaussian with the codes' mean and covariance, in codes.mean and
// codes.factor, behind the parameters of the model.
class Glo : public LatentProcedure {
 public:
  Glo(LatentModel model, CodeSpace space, const PosteriorFit& fit);

  void require_suitable(const Objective& objective) const override;
  Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) override;
  std::int64_t statistics(const Objective& /*objective*/) const override { return 0; }
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) override;
  // A row as it is; for a sample without one, the q that evaluate() fits.
  Code encode(const Shard& shard) override;
  std::int64_t row_width() const override { return model_.prior->latent(); }
  // small_rows(), projected.
  torch::Tensor initial_rows(std::span<const std::int64_t> indices,
                             const RunNoise& noise) const override;
  void project_rows(torch::Tensor& rows) const override;
  bool wants_row_moments() const override { return true; }
  void take_row_moments(const torch::Tensor& mean, const torch::Tensor& covariance) override;
  nlohmann::ordered_json architecture() const override;
  std::string summary() const override;

 protected:
  std::unique_ptr<Posterior> training_posterior(const Shard& shard) const override;
  std::unique_ptr<Posterior> evaluation_posterior(const Shard& shard,
                                                  const RunNoise& noise) const override;

 private:
  CodeSpace space_;
  PosteriorFit fit_;
  std::shared_ptr<torch::nn::Module> codes_;
  torch::Tensor mean_;    // [D], of the codes
  torch::Tensor factor_;  // [D, D], covariance = factor factor'
};

// Throws ConfigError for another prior than the gaussian.
std::shared_ptr<Procedure> make_glo(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning);

}  // namespace elbow
