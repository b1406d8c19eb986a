#include "trainer/model/residual.h"

#include "trainer/model/convolutional.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

void add_blocks(LayerStack& network, const NetworkOptions& options) {
  for (std::int64_t block = 0; block < options.blocks; ++block) {
    network.residual_block(options.activation);
  }
}

}  // namespace

// What a block adds has passed no activation, hence the one before the linear layer.
std::shared_ptr<Network> make_residual_encoder(const NetworkOptions& options, const Shape& shape,
                                               std::int64_t outputs, std::int64_t condition) {
  stage_shapes(options, shape);
  auto network = std::make_shared<LayerStack>(shape, Shape{outputs}, condition);
  for (const auto channels : options.widths) {
    network->convolution(channels);
    add_blocks(*network, options);
  }
  network->activation(options.activation);
  network->linear(outputs);
  return network;
}

std::shared_ptr<Network> make_residual_decoder(const NetworkOptions& options, std::int64_t latent,
                                               const Shape& shape, std::int64_t parameters,
                                               std::int64_t condition) {
  const auto shapes = stage_shapes(options, shape);
  auto network = begin_decoder(shapes.back(), latent, shape, parameters, condition);
  for (std::size_t stage = shapes.size() - 1; stage > 0; --stage) {
    add_blocks(*network, options);
    if (stage == 1) network->activation(options.activation);
    enlarge(*network, shapes, stage - 1, parameters);
  }
  return network;
}

}  // namespace elbow
