// p(z | c) = N(mean(c), diag variance(c)), learned, with a diagonal Gaussian posterior (Sohn et al.
// 2015).
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

// [mean(c), log variance(c)] is linear in c, for one-hot c a table with a row each. Parameters:
// linear.weight [2 latent, C], linear.bias. Throws ConfigError for a model without a condition, and
// a density or draw without c.
std::shared_ptr<Prior> make_conditional_prior(const PriorOptions& options,
                                              const PriorSetting& setting);

}  // namespace elbow
