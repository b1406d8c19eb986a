#include "trainer/model/vae.h"

#include "base/error.h"

namespace elbow {

Vae::Vae(std::shared_ptr<Network> encoder, LatentModel model)
    : encoder_(std::move(encoder)), model_(std::move(model)) {
  register_module("encoder", encoder_);
  register_module("decoder", model_.decoder);
  register_module("prior", model_.prior);
  register_module("likelihood", model_.likelihood);
  model_.prior->set_encoder(encoder_);
}

std::unique_ptr<Posterior> Vae::posterior_in_double(const Shard& shard) const {
  return model_.prior->posterior(encoder_->forward(shard.x, shard.c).to(torch::kDouble));
}

Terms Vae::terms(const Shard& shard, const RunNoise& noise, const Objective& objective) {
  require_fitting_shard(shard, objective.draws);
  const auto q = model_.prior->posterior(encoder_->forward(shard.x, shard.c));
  return model_.terms(*q, shard, noise, objective);
}

std::int64_t Vae::statistics(const Objective& objective) const {
  return objective.free_bits > 0 ? model_.prior->factors() : 0;
}

torch::Tensor Vae::batch_statistics(const Shard& shard, const Objective& /*objective*/) {
  torch::NoGradGuard no_grad;
  const auto q = model_.prior->posterior(encoder_->forward(shard.x, shard.c));
  const auto kl = model_.prior->kl_by_latent(*q, shard.c);
  if (!kl) {
    throw ConfigError(
        "option training.free_bits: the KL of this prior has no closed form, latent by latent; "
        "leave it at 0");
  }
  return *kl;
}

BlockFigures Vae::evaluate(const Shard& shard, const Estimation& estimation,
                           const RunNoise& noise) {
  torch::NoGradGuard no_grad;
  require_fitting_shard(shard, estimation.samples);
  return model_.evaluate(*posterior_in_double(shard), shard, estimation.samples, noise);
}

torch::Tensor Vae::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                          const RunNoise& noise, Show show) {
  return model_.sample(indices, c, noise, show);
}

torch::Tensor Vae::reconstruct(const Shard& shard) { return decode(encode(shard).mean, shard.c); }

Code Vae::encode(const Shard& shard) {
  torch::NoGradGuard no_grad;
  const auto q = model_.prior->posterior(encoder_->forward(shard.x, shard.c));
  return {q->mean(), q->deviation()};
}

torch::Tensor Vae::decode(const torch::Tensor& z, const torch::Tensor& c) {
  torch::NoGradGuard no_grad;
  return model_.likelihood->mean(model_.decoder->forward(z, c));
}

void Vae::fit(double mean_reconstruction) {
  model_.likelihood->fit(mean_reconstruction - model_.log_jacobian, model_.variables);
}

std::vector<LayerDescription> Vae::layers() const {
  std::vector<LayerDescription> all;
  append_layers(all, "encoder", *encoder_);
  append_layers(all, "decoder", *model_.decoder);
  append_learned(all, "prior", *model_.prior);
  append_learned(all, "likelihood", *model_.likelihood);
  return all;
}

std::string Vae::summary() const {
  return fmt::format("vae, {} latents, {}", model_.prior->latent(), model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning) {
  LatentModel model = make_latent_model(options, observation, conditioning);
  auto encoder = make_encoder(options, observation.shape(), model.prior->posterior_parameters(),
                              conditioning.size());
  return std::make_shared<Vae>(std::move(encoder), std::move(model));
}

}  // namespace elbow
