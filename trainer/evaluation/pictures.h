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

// x [B, shape...] as rows of a data set like the one that the model was trained on, in its units
// and axes: [B, rows().shape...], float, or uint8 where its values are 8-bit. A dithered x = (k +
// u)/256 becomes the k it lies in, other values the nearest; those out of range the limits. Where
// 8-bit values are 0 and 1 alone, x is a probability, and stays float.
torch::Tensor to_stored(const Observation& observation, const torch::Tensor& x);

}  // namespace elbow
