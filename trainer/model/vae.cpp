#include "trainer/model/vae.h"

namespace elbow {

Vae::Vae(std::shared_ptr<Network> encoder, LatentModel model)
    : LatentProcedure(std::move(model)), encoder_(std::move(encoder)) {
  register_module("encoder", encoder_);
  register_model();
  model_.prior->set_encoder(encoder_);
}

std::unique_ptr<Posterior> Vae::training_posterior(const Shard& shard) const {
  return model_.prior->posterior(encoder_->forward(shard.x, shard.c));
}

std::unique_ptr<Posterior> Vae::evaluation_posterior(const Shard& shard,
                                                     const RunNoise& /*noise*/) const {
  return model_.prior->posterior(encoder_->forward(shard.x, shard.c).to(torch::kDouble));
}

void Vae::fit(double mean_reconstruction) {
  model_.likelihood->fit(mean_reconstruction - model_.log_jacobian, model_.variables);
}

std::string Vae::summary() const {
  return fmt::format("vae, {}, {}", model_.prior->summary(), model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning) {
  LatentModel model = make_latent_model(options, observation, conditioning.size());
  auto encoder = make_encoder(options, observation.shape(), model.prior->posterior_parameters(),
                              conditioning.size());
  return std::make_shared<Vae>(std::move(encoder), std::move(model));
}

}  // namespace elbow
