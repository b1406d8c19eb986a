// N(0, I), with a diagonal Gaussian posterior.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

std::shared_ptr<Prior> make_gaussian_prior(const PriorOptions& options,
                                           const PriorSetting& setting);

}  // namespace elbow
