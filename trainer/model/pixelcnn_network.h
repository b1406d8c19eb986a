// The network of the gated PixelCNN (van den Oord et al. 2016, "Conditional image generation with
// PixelCNN decoders", figure 2): a vertical stack sees all rows above a pixel, a horizontal stack
// what is left of it and the vertical stack, so that together they have no blind spot.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "trainer/model/masked_convolution.h"
#include "trainer/model/network.h"

namespace elbow {

// Input [B, C, H, W], output [B, P, C, H, W]: entry (h, w) of channel k depends on all channels of
// the pixels before (h, w), row by row, and on channels before k of the pixel itself. As each of
// `widths` features of a pixel belongs to one of its C channels, in equal shares, and sees its own
// channel and those before, no width may be smaller than C (ConfigError).
//
// A pixel sees as far as reach() rows above and columns to either side. The first layer sees 3,
// each other 2 more. What lies outside of the image is told from pixels by a further channel of
// ones. `condition` entries of c are added to what is gated.
class PixelCnnNetwork : public Network {
 public:
  PixelCnnNetwork(std::vector<std::int64_t> shape, const std::vector<std::int64_t>& widths,
                  std::int64_t parameters, std::int64_t condition = 0);

  // H may be smaller than that of the network's shape: rows below have no effect on those above.
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const override;
  std::vector<LayerDescription> layers() const override { return descriptions_; }
  nlohmann::ordered_json architecture() const override;

  std::int64_t reach() const;

 private:
  class GatedLayer;

  std::shared_ptr<MaskedConvolution> add_output(const std::string& name, std::int64_t inputs,
                                                std::int64_t outputs,
                                                const MaskedConvolution::Sees& sees);
  void describe(const std::string& name, const std::string& what, std::int64_t channels,
                const torch::nn::Module& module, nlohmann::ordered_json how = {});

  std::vector<std::int64_t> shape_;
  std::int64_t parameters_;
  std::int64_t condition_;
  std::vector<std::shared_ptr<GatedLayer>> gated_;
  std::shared_ptr<MaskedConvolution> mix_;
  std::shared_ptr<MaskedConvolution> output_;
  std::vector<LayerDescription> descriptions_;
};

}  // namespace elbow
