// Independent whole values k = 0 ... L-1, x = k/L, from L logits y each:
// log P(k) = y_k - logsumexp y.
#pragma once

#include <memory>

#include "trainer/model/likelihood.h"

namespace elbow {

// L is model.levels, and L the numbers of the decoder for each variable: for small alphabets.
std::shared_ptr<Likelihood> make_categorical_likelihood(const LikelihoodOptions& options,
                                                        const Observation& observation);

}  // namespace elbow
