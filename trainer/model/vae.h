// The variational autoencoder (Kingma & Welling 2014): amortised inference of q(z | x), or of
// q(z | x, c) where the model is conditioned (Sohn et al. 2015).
#pragma once

#include <memory>

#include "trainer/model/conditioning.h"
#include "trainer/model/latent_procedure.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"

namespace elbow {

// Its encoder comes before the parts of the model.
class Vae : public LatentProcedure {
 public:
  Vae(std::shared_ptr<Network> encoder, LatentModel model);

  bool is_fitted() const override { return model_.likelihood->is_fitted(); }
  void fit(double mean_reconstruction) override;
  std::string summary() const override;

  const Network& encoder() const { return *encoder_; }

 protected:
  std::unique_ptr<Posterior> training_posterior(const Shard& shard) const override;
  std::unique_ptr<Posterior> evaluation_posterior(const Shard& shard,
                                                  const RunNoise& noise) const override;

 private:
  std::shared_ptr<Network> encoder_;
};

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning);

}  // namespace elbow
