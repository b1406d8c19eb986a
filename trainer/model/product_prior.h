// Independent priors over consecutive ranges of z (`model.factors`), with a product of their
// posteriors.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

// A factor is "KIND SIZE": SIZE numbers of a gaussian, uniform, mixture or conditional prior, or
// one variable of SIZE categories. Parameters of factor p are named p.NAME. The KL has a closed
// form where each factor's has, its columns those of the factors one after the other. Throws
// ConfigError for factors that cannot be meant, and for a mixture beside categories: its KL is
// estimated from draws, and theirs are relaxed. `model.latent` does not count.
std::shared_ptr<Prior> make_product_prior(const PriorOptions& options, const PriorSetting& setting);

}  // namespace elbow
