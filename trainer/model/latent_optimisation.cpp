#include "trainer/model/latent_optimisation.h"

#include "base/error.h"

namespace elbow {
namespace {

constexpr double kInitialDeviation = 0.01;

// In training each sample has its row: anything else is a mistake of the program.
void require_rows(const Shard& shard, std::int64_t width) {
  if (shard.rows.defined() && shard.rows.dim() == 2 && shard.rows.size(0) == shard.x.size(0) &&
      shard.rows.size(1) == width) {
    return;
  }
  throw Error(fmt::format("a shard of {} samples needs as many rows of {} numbers",
                          shard.indices.size(), width));
}

}  // namespace

LatentOptimisation::LatentOptimisation(LatentModel model, const PosteriorFit& fit)
    : model_(std::move(model)), fit_(fit) {
  register_module("decoder", model_.decoder);
  register_module("prior", model_.prior);
  register_module("likelihood", model_.likelihood);
}

Terms LatentOptimisation::terms(const Shard& shard, const RunNoise& noise,
                                const Objective& objective) {
  require_fitting_shard(shard, objective.draws);
  require_rows(shard, row_width());
  return model_.terms(*model_.prior->posterior(shard.rows), shard, noise, objective);
}

std::int64_t LatentOptimisation::statistics(const Objective& objective) const {
  return objective.free_bits > 0 ? model_.prior->factors() : 0;
}

torch::Tensor LatentOptimisation::batch_statistics(const Shard& shard,
                                                   const Objective& /*objective*/) {
  const torch::NoGradGuard no_grad;
  require_rows(shard, row_width());
  const auto kl = model_.prior->kl_by_latent(*model_.prior->posterior(shard.rows), shard.c);
  if (!kl) {
    throw ConfigError(
        "option training.free_bits: the KL of this prior has no closed form, latent by latent; "
        "leave it at 0");
  }
  return *kl;
}

torch::Tensor LatentOptimisation::rows_or_fit(const Shard& shard, const RunNoise& noise) const {
  if (!shard.rows.defined()) return fit_posterior(model_, shard, noise, fit_);
  require_rows(shard, row_width());
  return shard.rows;
}

BlockFigures LatentOptimisation::evaluate(const Shard& shard, const Estimation& estimation,
                                          const RunNoise& noise) {
  const torch::NoGradGuard no_grad;
  require_fitting_shard(shard, estimation.samples);
  const auto q = model_.prior->posterior(rows_or_fit(shard, noise).to(torch::kDouble));
  return model_.evaluate(*q, shard, estimation.samples, noise);
}

torch::Tensor LatentOptimisation::sample(std::span<const std::int64_t> indices,
                                         const torch::Tensor& c, const RunNoise& noise, Show show) {
  return model_.sample(indices, c, noise, show);
}

torch::Tensor LatentOptimisation::reconstruct(const Shard& shard) {
  return decode(encode(shard).mean, shard.c);
}

Code LatentOptimisation::encode(const Shard& shard) {
  const torch::NoGradGuard no_grad;
  const auto q = model_.prior->posterior(rows_or_fit(shard, fitting_noise()));
  return {q->mean(), q->deviation()};
}

torch::Tensor LatentOptimisation::decode(const torch::Tensor& z, const torch::Tensor& c) {
  const torch::NoGradGuard no_grad;
  return model_.likelihood->mean(model_.decoder->forward(z, c));
}

torch::Tensor LatentOptimisation::initial_rows(std::span<const std::int64_t> indices,
                                               const RunNoise& noise) const {
  return kInitialDeviation * normal_noise(noise.key(Purpose::kInitialisation), indices, 1,
                                          {row_width()}, torch::kFloat);
}

std::vector<LayerDescription> LatentOptimisation::layers() const {
  std::vector<LayerDescription> all;
  append_layers(all, "decoder", *model_.decoder);
  append_learned(all, "prior", *model_.prior);
  append_learned(all, "likelihood", *model_.likelihood);
  return all;
}

std::string LatentOptimisation::summary() const {
  return fmt::format("latent optimisation, {} latents, {} numbers a sample, {}",
                     model_.prior->latent(), row_width(), model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_latent_optimisation(const ModelOptions& options,
                                                    const Observation& observation,
                                                    const Conditioning& conditioning) {
  if (options.prior == "vamp") {
    throw ConfigError(
        "option model.prior: 'vamp' is made of an encoder, and model.kind 'latent-optimisation' "
        "has none; choose another prior, or model.kind vae");
  }
  return std::make_shared<LatentOptimisation>(make_latent_model(options, observation, conditioning),
                                              posterior_fit(options));
}

}  // namespace elbow
