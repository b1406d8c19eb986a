// Independent Bernoulli pixels from logits y: log P(x | z) = sum_i x_i y_i - log(1 + exp y_i).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"

namespace elbow {

std::shared_ptr<Likelihood> make_bernoulli_likelihood(const LikelihoodOptions& options,
                                                      const Observation& observation);

}  // namespace elbow
