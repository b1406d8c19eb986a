// A convolution that sees what lies before a position, row by row, and nothing else: what
// autoregressive networks are made of (van den Oord et al. 2016, "Pixel recurrent neural networks"
// and "Conditional image generation with PixelCNN decoders").
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>
#include <torch/nn/module.h>

namespace elbow {

// The offsets (row, column) that a convolution sees from a position, ends included. The kernel has
// no entries for others: nothing is computed only to be masked, except at the position itself.
struct Window {
  std::int64_t first_row = 0;
  std::int64_t last_row = 0;  // at most 0: nothing below
  std::int64_t first_column = 0;
  std::int64_t last_column = 0;
};

class MaskedConvolution : public torch::nn::Module {
 public:
  // Whether an output channel sees an input channel at the position itself.
  using Sees = std::function<bool(std::int64_t output, std::int64_t input)>;

  // Without `sees` all channels see each other. Throws Error for a window that is not of earlier
  // positions: with offsets below, or beside and behind the position.
  MaskedConvolution(std::int64_t inputs, std::int64_t outputs, const Window& window,
                    const Sees& sees = {});

  // [B, inputs, H, W] -> [B, outputs, H, W]; outside of the image are zeros.
  torch::Tensor forward(const torch::Tensor& input) const;

  std::string what() const;            // "masked convolution 3x7"
  nlohmann::ordered_json how() const;  // LayerDescription::how
  std::int64_t outputs() const { return weight_.size(0); }

 private:
  Window window_;
  torch::Tensor weight_;  // [outputs, inputs, rows, columns of the window]
  torch::Tensor bias_;    // [outputs]
  torch::Tensor mask_;    // of the weight, 0 or 1; undefined where nothing is masked
};

}  // namespace elbow
