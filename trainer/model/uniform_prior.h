// The uniform distribution on [-1, 1]^D, with a truncated normal posterior.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

std::shared_ptr<Prior> make_uniform_prior(const PriorOptions& options, const PriorSetting& setting);

}  // namespace elbow
