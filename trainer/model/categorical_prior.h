// One or several categorical variables (`model.categories`), all values equally likely; z is their
// one-hot vectors one after the other.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

// Throws ConfigError for impossible `model.categories`. `model.latent` does not count.
std::shared_ptr<Prior> make_categorical_prior(const PriorOptions& options,
                                              const PriorSetting& setting);

}  // namespace elbow
