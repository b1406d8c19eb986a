// Stages of stride-2 convolutions, then one linear layer; the decoder is its mirror image. Sides
// are halved rounding down, so signals, images and volumes of any size fit as long as an entry is
// left along each side.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/model/network.h"

namespace elbow {

// Shapes of x: [C, L], [C, H, W] or [C, D, H, W]. Throw ConfigError for others, and where there are
// more stages than the sides can be halved.
std::shared_ptr<Network> make_convolutional_encoder(const NetworkOptions& options,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t outputs, std::int64_t condition);
std::shared_ptr<Network> make_convolutional_decoder(const NetworkOptions& options,
                                                    std::int64_t latent,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t parameters,
                                                    std::int64_t condition);

// What networks made of such stages share.

// At the input of each stage of model.widths, and behind the last. Throws ConfigError as above.
std::vector<std::vector<std::int64_t>> stage_shapes(const NetworkOptions& options,
                                                    const std::vector<std::int64_t>& shape);

// From z to the shape `inside` by a linear layer.
std::shared_ptr<LayerStack> begin_decoder(const std::vector<std::int64_t>& inside,
                                          std::int64_t latent,
                                          const std::vector<std::int64_t>& shape,
                                          std::int64_t parameters, std::int64_t condition);

// Back to the shape that a stage began with; at the first one, with `parameters` channels for each
// of x.
void enlarge(LayerStack& network, const std::vector<std::vector<std::int64_t>>& shapes,
             std::size_t stage, std::int64_t parameters);

}  // namespace elbow
