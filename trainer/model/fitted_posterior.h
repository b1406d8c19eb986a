// q(z) fitted to samples that no encoder and no training has seen: what takes the encoder's place
// where a model has none (Kim et al. 2018; Cremer et al. 2018, section 5.2).
#pragma once

#include <cstdint>

#include "trainer/model/latent_model.h"
#include "trainer/model/options.h"

namespace elbow {

struct PosteriorFit {
  std::int64_t steps = 1000;  // at most, in hundreds
  double rate = 1e-2;         // of Adam, at first
};

PosteriorFit posterior_fit(const ModelOptions& options);

// The numbers that Prior::posterior reads, [B, prior.posterior_parameters()], which maximise the
// ELBO of each sample with the model as it is. They start at 0, for a gaussian prior q = p(z), and
// move by Adam along gradients of a few draws, fifty steps at a time, until 150 steps have brought
// the block nothing or half of the steps are taken; then as many again, along which the rate falls
// to 0 and the noise of the draws averages out. A function of the model, the block and the noise
// alone: Purpose::kPosterior by (index, draw), with the step in place of the stage.
// Records no gradient, and leaves the parameters' alone.
torch::Tensor fit_posterior(const LatentModel& model, const Shard& shard, const RunNoise& noise,
                            const PosteriorFit& fit);

// The same of all of a training's or an evaluation's samples, for calls that have no noise of their
// own.
RunNoise fitting_noise();

}  // namespace elbow
