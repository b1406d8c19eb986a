// The conditional VAE: log p(x | c) by q(z | x, c), and for classes log p(x, c) = log p(x | c) +
// log p(c) with the classes' frequencies in training, and log p(x) = log sum_c p(x, c).
#pragma once

#include "trainer/model/vae.h"

namespace elbow {

class Cvae : public Vae {
 public:
  Cvae(std::shared_ptr<Network> encoder, LatentModel model, Conditioning conditioning);

  // The usual figures are those of log p(x | c). With estimation.marginal every class is tried on
  // every sample, each under its own proposal q(z | x, c'), which was trained for the true class
  // alone: the others' terms are underestimated, which flatters the accuracy of arg max p(c | x).
  BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                        const RunNoise& noise) override;
  // For classes log_joint; with estimation.marginal log_marginal, log_class (log p(c | x) of the
  // true class) and accuracy.
  std::vector<OwnFigure> own_figures(const Estimation& estimation) const override;
  std::string summary() const override;

 private:
  Conditioning conditioning_;
};

std::shared_ptr<Procedure> make_cvae(const ModelOptions& options, const Observation& observation,
                                     const Conditioning& conditioning);

}  // namespace elbow
