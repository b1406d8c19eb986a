#include "trainer/model/convolutional.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

// [C, H, W] at the input of each stage and behind the last.
std::vector<std::vector<std::int64_t>> stage_shapes(const ModelOptions& options,
                                                    const std::vector<std::int64_t>& shape) {
  if (shape.size() != 3) {
    throw ConfigError(fmt::format(
        "option model.network: 'convolutional' needs images, but a sample has the shape {}; use "
        "'mlp', or say with data.layout how the axes are meant",
        shape_text(shape)));
  }
  if (options.widths.empty()) {
    throw ConfigError(
        "option model.widths: a convolutional network needs the channels of at least one stage, "
        "for example [32, 64]");
  }
  std::vector<std::vector<std::int64_t>> shapes = {shape};
  for (const auto channels : options.widths) {
    const auto& last = shapes.back();
    if (std::min(last[1], last[2]) < 2) {
      throw ConfigError(fmt::format(
          "option model.widths: {} stages are too many for images of {}x{}, each halves the sides; "
          "at most {} fit",
          options.widths.size(), shape[1], shape[2], shapes.size() - 1));
    }
    shapes.push_back({channels, last[1] / 2, last[2] / 2});
  }
  return shapes;
}

}  // namespace

std::shared_ptr<Network> make_convolutional_encoder(const ModelOptions& options,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t outputs) {
  stage_shapes(options, shape);
  auto network = std::make_shared<LayerStack>(shape, std::vector<std::int64_t>{outputs});
  for (const auto channels : options.widths) {
    network->convolution(channels);
    network->activation(options.activation);
  }
  network->linear(outputs);
  return network;
}

std::shared_ptr<Network> make_convolutional_decoder(const ModelOptions& options,
                                                    std::int64_t latent,
                                                    const std::vector<std::int64_t>& shape,
                                                    std::int64_t parameters) {
  const auto shapes = stage_shapes(options, shape);
  auto network = std::make_shared<LayerStack>(
      std::vector<std::int64_t>{latent},
      std::vector<std::int64_t>{parameters, shape[0], shape[1], shape[2]});
  network->linear(c10::multiply_integers(shapes.back()));
  network->reshape(shapes.back());
  for (std::size_t stage = shapes.size() - 1; stage > 0; --stage) {
    const auto& to = shapes[stage - 1];
    network->activation(options.activation);
    network->transposed_convolution(stage == 1 ? parameters * shape[0] : to[0], to[1], to[2]);
  }
  return network;
}

}  // namespace elbow
