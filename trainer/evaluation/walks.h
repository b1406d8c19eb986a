// Ways through the space of codes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

#include "trainer/model/latent_axis.h"
#include "trainer/model/procedure.h"

namespace elbow {

// The axes of the model's prior, in the order of z; they make up all of it. A model without codes
// has none.
std::vector<LatentAxis> latent_axes(const Procedure& model);

// Whether a model has codes to encode to and to decode.
bool has_codes(const Procedure& model);

// z [D] with each one-hot variable at its first category and every number at 0.
torch::Tensor central_code(const std::vector<LatentAxis>& axes);

// What the axis is moved to: `steps` numbers from `from` to `to`, both included and kept within the
// limit; or of the categories at most `steps`, from the first to the last.
std::vector<double> stops(const LatentAxis& axis, double from, double to, std::int64_t steps);

// [stops, D]: z [D] with nothing but the axis moved.
torch::Tensor walk(const torch::Tensor& z, const LatentAxis& axis,
                   const std::vector<double>& stops);

enum class Path { kLinear, kSpherical };

// [steps, D]: from `a` [D] to `b` [D], both included. Spherical: along the great circle, length and
// angle changing evenly, so that codes stay as far from 0 as codes of a Gaussian prior are; where
// there is no one circle (a code at 0, or opposite ones) in a straight line.
torch::Tensor between(const torch::Tensor& a, const torch::Tensor& b, std::int64_t steps,
                      Path path);

}  // namespace elbow
