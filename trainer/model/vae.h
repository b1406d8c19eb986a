// The variational autoencoder (Kingma & Welling 2014): amortised inference of q(z | x), or of
// q(z | x, c) where the model is conditioned (Sohn et al. 2015).
#pragma once

#include <memory>

#include "trainer/model/latent_model.h"

namespace elbow {

// Parameters are named encoder..., decoder..., prior..., likelihood..., in this order.
class Vae : public Procedure {
 public:
  Vae(std::shared_ptr<Network> encoder, LatentModel model);

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
  bool is_fitted() const override { return model_.likelihood->is_fitted(); }
  void fit(double mean_reconstruction) override;
  std::vector<LayerDescription> layers() const override;
  std::string summary() const override;

  const Network& encoder() const { return *encoder_; }
  const LatentModel& model() const { return model_; }

 protected:
  // q(z | x, c), computed in double from what the encoder gives.
  std::unique_ptr<Posterior> posterior_in_double(const Shard& shard) const;

 private:
  std::shared_ptr<Network> encoder_;
  LatentModel model_;
};

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning);

}  // namespace elbow
