// A residual network: each stage halves the sides as in convolutional.h, then adds model.blocks
// residual blocks (He et al. 2016). The decoder is its mirror image.
//
// No normalisation: PyTorch's initial weights, of variance 1/(3 fan_in), let a block add only a few
// hundredths to the variance of what it is given, so that many may follow each other, as they do in
// very deep VAEs (Child 2021), and group normalisation would take the level of a sample out of it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/model/network.h"

namespace elbow {

// Shapes and errors as of the convolutional networks.
std::shared_ptr<Network> make_residual_encoder(const NetworkOptions& options,
                                               const std::vector<std::int64_t>& shape,
                                               std::int64_t outputs, std::int64_t condition);
std::shared_ptr<Network> make_residual_decoder(const NetworkOptions& options, std::int64_t latent,
                                               const std::vector<std::int64_t>& shape,
                                               std::int64_t parameters, std::int64_t condition);

}  // namespace elbow
