// The functions between x and z, learned. No batch statistics and no randomness of their own, so
// that an output depends on its own row alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "trainer/model/options.h"

namespace elbow {

// A line of --dry-run.
struct LayerDescription {
  std::string name;                  // "encoder.0"
  std::string what;                  // "linear"
  std::vector<std::int64_t> output;  // of one sample; the shape of a parameter without a layer
  std::int64_t parameters = 0;
};

class Network : public torch::nn::Module {
 public:
  // Encoder: x [B, shape...] -> [B, outputs]. Decoder: z_BD -> [B, P, shape...].
  virtual torch::Tensor forward(const torch::Tensor& input) const = 0;

  // Names relative to the network.
  virtual std::vector<LayerDescription> layers() const = 0;
};

// Layers one after the other, numbered as in torch.nn.Sequential: layers without parameters count.
class LayerStack : public Network {
 public:
  // `input` and `output` are shapes of one sample; a batch is viewed as `input` before the first
  // layer, and as `output` after the last.
  LayerStack(std::vector<std::int64_t> input, std::vector<std::int64_t> output);

  void linear(std::int64_t outputs);  // over the flattened shape
  void activation(const std::string& name);
  void convolution(std::int64_t channels);  // kernel 4, stride 2, padding 1: sides halve
  // The reverse, to sides of exactly `height` and `width`: twice the present ones, or one more.
  void transposed_convolution(std::int64_t channels, std::int64_t height, std::int64_t width);
  void reshape(std::vector<std::int64_t> shape);  // of one sample

  torch::Tensor forward(const torch::Tensor& input) const override;
  std::vector<LayerDescription> layers() const override { return descriptions_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }  // after the last layer so far

 private:
  template <typename Layer>
  void add(Layer module, const std::string& what);
  void describe(const std::string& what, std::int64_t parameters);

  std::vector<std::int64_t> input_;
  std::vector<std::int64_t> output_;
  std::vector<std::int64_t> shape_;
  std::vector<std::function<torch::Tensor(const torch::Tensor&)>> functions_;
  std::vector<LayerDescription> descriptions_;
};

std::vector<std::string> network_names();
std::vector<std::string> activation_names();

// `shape` of x: [C, H, W] or [D]. Throws ConfigError for a name that is not registered, and where
// the network does not go with the shape.
std::shared_ptr<Network> make_encoder(const ModelOptions& options,
                                      const std::vector<std::int64_t>& shape, std::int64_t outputs);
// `parameters` for each variable of x.
std::shared_ptr<Network> make_decoder(const ModelOptions& options, std::int64_t latent,
                                      const std::vector<std::int64_t>& shape,
                                      std::int64_t parameters);

}  // namespace elbow
