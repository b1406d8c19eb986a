// A mixture of diagonal Gaussians with learned means, variances and weights, and a diagonal
// Gaussian posterior.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

// Parameters: mean and log_variance [components, latent], logit [components]. They begin as unit
// Gaussians around fixed standard normal draws, equally likely, the same for every seed. The KL has
// no closed form. Throws ConfigError where `model.components` is below 1.
std::shared_ptr<Prior> make_mixture_prior(const PriorOptions& options, const PriorSetting& setting);

}  // namespace elbow
