// What samples that are made rather than read are conditioned on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <torch/types.h>

#include "trainer/model/conditioning.h"

namespace elbow {

// Throws ConfigError unless `given` (--condition; empty for none) is a condition of the model: one
// of its classes, or as many values as it is conditioned on. None will do for classes alone.
void require_condition(const std::vector<double>& given, const Conditioning& conditioning);

// The labels of each of these, [B, L] in double: what was given, else each class in turn. Undefined
// for a model without condition.
torch::Tensor labels_of(std::span<const std::int64_t> indices, const std::vector<double>& given,
                        const Conditioning& conditioning);

}  // namespace elbow
