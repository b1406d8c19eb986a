// Stages of stride-2 convolutions, then one linear layer; the decoder is its mirror image. Sides
// are halved rounding down, so images of any size fit as long as a pixel is left.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/model/network.h"

namespace elbow {

std::shared_ptr<Network> make_convolutional_encoder(const ModelOptions& options,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t outputs);
std::shared_ptr<Network> make_convolutional_decoder(const ModelOptions& options,
                                                    std::int64_t latent,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t parameters);

}  // namespace elbow
