#include "trainer/model/latent_optimisation.h"

#include "base/error.h"

namespace elbow {

LatentOptimisation::LatentOptimisation(LatentModel model, const PosteriorFit& fit)
    : LatentProcedure(std::move(model)), fit_(fit) {
  register_model();
}

std::unique_ptr<Posterior> LatentOptimisation::training_posterior(const Shard& shard) const {
  require_rows(shard, row_width());
  return model_.prior->posterior(shard.rows);
}

std::unique_ptr<Posterior> LatentOptimisation::evaluation_posterior(const Shard& shard,
                                                                    const RunNoise& noise) const {
  if (shard.rows.defined()) require_rows(shard, row_width());
  const auto rows = shard.rows.defined() ? shard.rows : fit_posterior(model_, shard, noise, fit_);
  return model_.prior->posterior(rows.to(torch::kDouble));
}

torch::Tensor LatentOptimisation::initial_rows(std::span<const std::int64_t> indices,
                                               const RunNoise& noise) const {
  return model_.prior->concentrated_posterior() + small_rows(indices, noise, row_width());
}

std::string LatentOptimisation::summary() const {
  return fmt::format("latent optimisation, {}, {} numbers a sample, {}", model_.prior->summary(),
                     row_width(), model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_latent_optimisation(const ModelOptions& options,
                                                    const Observation& observation,
                                                    const Conditioning& conditioning) {
  if (options.prior == "vamp") {
    throw ConfigError(
        "option model.prior: 'vamp' is made of an encoder, and model.kind 'latent-optimisation' "
        "has none; choose another prior, or model.kind vae");
  }
  return std::make_shared<LatentOptimisation>(
      make_latent_model(options, observation, conditioning.size()), posterior_fit(options));
}

}  // namespace elbow
