// Whole values k = 0 ... L-1, x = k/L, by rounding a logistic variable around G(z), of scale s:
//   P(k) = F((k + 1/2)/L) - F((k - 1/2)/L), F(y) = sigmoid((y - G) / s),
// the ends taking the tails: F(-1/(2L)) is 0 and F(1 - 1/(2L)) is 1 (Salimans et al. 2017).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"

namespace elbow {

// A ScaledLikelihood: model.sigma is the deviation pi/sqrt(3) s before rounding. There is no
// optimum in closed form, so 'optimal' is refused (ConfigError).
std::shared_ptr<Likelihood> make_discretised_logistic_likelihood(const LikelihoodOptions& options,
                                                                 const Observation& observation);

}  // namespace elbow
