#include "trainer/model/latent_procedure.h"

#include "base/error.h"
#include "trainer/model/fitted_posterior.h"

namespace elbow {

void LatentProcedure::register_model() {
  register_module("decoder", model_.decoder);
  register_module("prior", model_.prior);
  register_module("likelihood", model_.likelihood);
}

void LatentProcedure::require_suitable(const Objective& objective) const {
  if (objective.kind == Objective::Kind::kElbo) return;
  const auto q = model_.prior->posterior(torch::zeros({1, model_.prior->posterior_parameters()}));
  if (q->is_relaxed()) {
    throw ConfigError(
        "option training.objective: 'iwae' and 'dreg' weigh draws by their density, which draws of "
        "a categorical code, relaxed in training, don't have; use 'elbo'");
  }
}

Terms LatentProcedure::terms(const Shard& shard, const RunNoise& noise,
                             const Objective& objective) {
  require_fitting_shard(shard, objective.draws);
  return model_.terms(*training_posterior(shard), shard, noise, objective);
}

std::int64_t LatentProcedure::statistics(const Objective& objective) const {
  return objective.free_bits > 0 ? model_.prior->factors() : 0;
}

torch::Tensor LatentProcedure::batch_statistics(const Shard& shard,
                                                const Objective& /*objective*/) {
  const torch::NoGradGuard no_grad;
  const auto kl = model_.prior->kl_by_latent(*training_posterior(shard), shard.c);
  if (!kl) {
    throw ConfigError(
        "option training.free_bits: the KL of this prior has no closed form, latent by latent; "
        "leave it at 0");
  }
  return *kl;
}

BlockFigures LatentProcedure::evaluate(const Shard& shard, const Estimation& estimation,
                                       const RunNoise& noise) {
  const torch::NoGradGuard no_grad;
  require_fitting_shard(shard, estimation.samples);
  return model_.evaluate(*evaluation_posterior(shard, noise), shard, estimation.samples, noise);
}

torch::Tensor LatentProcedure::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                                      const RunNoise& noise, Show show) {
  return model_.sample(indices, c, noise, show);
}

Code LatentProcedure::encode(const Shard& shard) {
  const torch::NoGradGuard no_grad;
  const auto q = evaluation_posterior(shard, fitting_noise());
  const auto type = shard.x.scalar_type();
  return {q->mean().to(type), q->deviation().to(type)};
}

torch::Tensor LatentProcedure::decode(const torch::Tensor& z, const torch::Tensor& condition) {
  const torch::NoGradGuard no_grad;
  return model_.likelihood->mean(model_.decoder->forward(z, condition));
}

}  // namespace elbow
