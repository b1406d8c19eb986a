// Independent Laplace variables around G(z), of scale b: log p = -|x - G|_1 / b - D log(2 b).
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"

namespace elbow {

// A ScaledLikelihood: model.sigma is the deviation s = sqrt(2) b. Its optimum is
// b = mean of E_q |x - G|_1 / D.
std::shared_ptr<Likelihood> make_laplace_likelihood(const LikelihoodOptions& options,
                                                    const Observation& observation);

}  // namespace elbow
