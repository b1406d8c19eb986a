// The VampPrior (Tomczak & Welling 2018): the mean of the posteriors of learned pseudo-inputs,
// p(z) = 1/K sum_k q(z | u_k). The encoder thereby belongs to p as well.
#pragma once

#include <memory>

#include "trainer/model/prior.h"

namespace elbow {

// Parameter: pseudo_inputs [components, shape of x...]. They begin uniform on [0, 1), the range of
// 8-bit data, the same for every seed, and are not held there: any numbers make a proper p(z),
// and other data have no fixed range. The KL has no closed form; every density and draw passes the
// pseudo-inputs through the encoder, which must have been set and must outlive those calls. Throws
// ConfigError for a model with a condition or without an encoder, and where `model.components` is
// below 1.
std::shared_ptr<Prior> make_vamp_prior(const PriorOptions& options, const PriorSetting& setting);

}  // namespace elbow
