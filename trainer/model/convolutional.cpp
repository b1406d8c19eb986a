#include "trainer/model/convolutional.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace elbow {

using Shape = std::vector<std::int64_t>;

std::vector<Shape> stage_shapes(const NetworkOptions& options, const Shape& shape) {
  if (shape.size() < 2 || shape.size() > 4) {
    throw ConfigError(
        fmt::format("option model.network: '{}' needs images, signals or volumes, but a sample has "
                    "the shape {}; use 'mlp', or say with data.layout how the axes are meant",
                    options.network, shape_text(shape)));
  }
  if (options.widths.empty()) {
    throw ConfigError(fmt::format(
        "option model.widths: a {} network needs the channels of at least one stage, for example "
        "[32, 64]",
        options.network));
  }
  std::vector<Shape> shapes = {shape};
  for (const auto channels : options.widths) {
    Shape next = shapes.back();
    next[0] = channels;
    for (std::size_t axis = 1; axis < next.size(); ++axis) next[axis] /= 2;
    if (*std::min_element(next.begin() + 1, next.end()) < 1) {
      throw ConfigError(fmt::format(
          "option model.widths: {} stages are too many for samples of the shape {}, each halves "
          "the sides; at most {} fit",
          options.widths.size(), shape_text(shape), shapes.size() - 1));
    }
    shapes.push_back(std::move(next));
  }
  return shapes;
}

std::shared_ptr<LayerStack> begin_decoder(const Shape& inside, std::int64_t latent,
                                          const Shape& shape, std::int64_t parameters,
                                          std::int64_t condition) {
  Shape output = {parameters};
  output.insert(output.end(), shape.begin(), shape.end());
  auto network = std::make_shared<LayerStack>(Shape{latent}, std::move(output), condition);
  network->linear(c10::multiply_integers(inside));
  network->reshape(inside);
  return network;
}

void enlarge(LayerStack& network, const std::vector<Shape>& shapes, std::size_t stage,
             std::int64_t parameters) {
  const Shape& to = shapes[stage];
  network.transposed_convolution(stage == 0 ? parameters * to[0] : to[0],
                                 {to.begin() + 1, to.end()});
}

std::shared_ptr<Network> make_convolutional_encoder(const NetworkOptions& options,
                                                    const Shape& shape, std::int64_t outputs,
                                                    std::int64_t condition) {
  stage_shapes(options, shape);
  auto network = std::make_shared<LayerStack>(shape, Shape{outputs}, condition);
  for (const auto channels : options.widths) {
    network->convolution(channels);
    network->activation(options.activation);
  }
  network->linear(outputs);
  return network;
}

std::shared_ptr<Network> make_convolutional_decoder(const NetworkOptions& options,
                                                    std::int64_t latent, const Shape& shape,
                                                    std::int64_t parameters,
                                                    std::int64_t condition) {
  const auto shapes = stage_shapes(options, shape);
  auto network = begin_decoder(shapes.back(), latent, shape, parameters, condition);
  for (std::size_t stage = shapes.size() - 1; stage > 0; --stage) {
    network->activation(options.activation);
    enlarge(*network, shapes, stage - 1, parameters);
  }
  return network;
}

}  // namespace elbow
