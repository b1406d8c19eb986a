// The parameters a training begins with, as a function of the seed.
#pragma once

#include <cstdint>

#include <torch/nn/module.h>

namespace elbow {

// PyTorch's default, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for the weight of every linear and
// convolutional layer and for its bias, from keyed noise: Purpose::kInitialisation, index = ordinal
// of the parameter among module.named_parameters(), element = entry. Other parameters, and those
// of networks that are initialised already, keep what their module gave them. For transposed
// convolutions fan_in is what PyTorch takes it to be: size(1) of the weight, its output channels,
// times the kernel.
void initialise(torch::nn::Module& module, std::uint64_t seed);

}  // namespace elbow
