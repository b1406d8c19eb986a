// The variational autoencoder (Kingma & Welling 2014): amortised inference of q(z | x).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"
#include "trainer/model/network.h"
#include "trainer/model/observation.h"
#include "trainer/model/prior.h"
#include "trainer/model/procedure.h"

namespace elbow {

// Parameters are named encoder..., decoder..., prior..., likelihood..., in this order. Computes in
// the type of its parameters and of x, float or double (`to(torch::kDouble)`).
class Vae : public Procedure {
 public:
  struct Parts {
    std::shared_ptr<Network> encoder;
    std::shared_ptr<Network> decoder;
    std::shared_ptr<Prior> prior;
    std::shared_ptr<Likelihood> likelihood;
    double log_jacobian = 0;  // of the observation, added to every log p(x | z)
  };
  explicit Vae(Parts parts);

  Terms terms(const Shard& shard, const RunNoise& noise, std::int64_t draws) override;
  BlockFigures evaluate(const Shard& shard, std::int64_t samples, const RunNoise& noise) override;
  torch::Tensor sample(std::span<const std::int64_t> indices, const RunNoise& noise,
                       Show show) override;
  torch::Tensor reconstruct(const Shard& shard) override;
  std::vector<LayerDescription> layers() const override;
  std::string summary() const override;

  const Parts& parts() const { return parts_; }

 private:
  torch::Tensor log_likelihood(const torch::Tensor& x, const torch::Tensor& z_BD) const;  // [B]

  Parts parts_;
};

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation);

}  // namespace elbow
