// Tensors as pictures.
#pragma once

#include <vector>

#include <torch/types.h>

#include "monitoring/image.h"
#include "trainer/model/observation.h"

namespace elbow {

// Whether samples of this observation can be shown: one, three or four channels of at least 2 x 2
// pixels. Vectors cannot.
bool can_be_shown(const Observation& observation);

// x [B, C, H, W], as the model has it, as pictures: brought to [0, 1] by Observation::display,
// rounded to 8 bits. A fourth channel is left out.
std::vector<Image> to_images(const Observation& observation, const torch::Tensor& x);

}  // namespace elbow
