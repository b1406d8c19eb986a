// The functions between x and z, learned. No batch statistics and no randomness of their own, so
// that an output depends on its own row alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <torch/nn/module.h>

#include "trainer/model/network_options.h"

namespace elbow {

// A line of --dry-run, and a step of `elbow export`.
struct LayerDescription {
  std::string name;                  // "encoder.0"
  std::string what;                  // "linear"
  std::vector<std::int64_t> output;  // of one sample; the shape of a parameter without a layer
  std::int64_t parameters = 0;
  // What it computes, for another program: {"type": "linear", "inputs": 64, "outputs": 8}, every
  // type with its own members (docs/formats.md, "Export"). Null where the network says it at once
  // for several lines.
  nlohmann::ordered_json how = {};
};

class Network : public torch::nn::Module {
 public:
  // Encoder: x [B, shape...] -> [B, outputs]. Decoder: z_BD -> [B, P, shape...]. `c` [B, C] is what
  // the model is conditioned on, undefined for a model without conditions.
  virtual torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const = 0;

  // Names relative to the network.
  virtual std::vector<LayerDescription> layers() const = 0;

  // All that it computes, for another program that has its tensors by name: {"input": [...],
  // "output": [...], "steps": [...]}, as trainer/model/architecture.h makes it. Null for a network
  // that is nothing but a way to the one that it holds: that one is described in its place.
  virtual nlohmann::ordered_json architecture() const { return nullptr; }

  // Whether the parameters come with the values that a training begins from; else they are drawn.
  virtual bool is_initialised() const { return false; }
};

using Activation = torch::Tensor (*)(const torch::Tensor&);

std::vector<std::string> activation_names();

// Throws ConfigError for a name that is none of activation_names().
Activation activation_function(const std::string& name);

// c [B, condition] behind the entries of `value` [B, ...] along `axis`, constant along the others.
// Without condition, `value`.
torch::Tensor with_condition(const torch::Tensor& value, const torch::Tensor& c,
                             std::int64_t condition, std::int64_t axis = 1);

// Layers one after the other, numbered as in torch.nn.Sequential: layers without parameters count.
class LayerStack : public Network {
 public:
  // `input` and `output` are shapes of one sample; a batch is viewed as `input` before the first
  // layer, and as `output` after the last. `condition` entries of c follow those of the input along
  // its first axis; where it has more axes, each as a channel of one value.
  LayerStack(std::vector<std::int64_t> input, std::vector<std::int64_t> output,
             std::int64_t condition = 0);

  void linear(std::int64_t outputs);  // over the flattened shape
  void activation(const std::string& name);
  // Takes [C, L], [C, H, W] or [C, D, H, W]: kernel 4, stride 2, padding 1, so that sides halve,
  // rounding down.
  void convolution(std::int64_t channels);
  // The reverse, to exactly these sides: each twice the present one, or one more.
  void transposed_convolution(std::int64_t channels, const std::vector<std::int64_t>& sides);
  // x + conv(f(conv(f(x)))) with kernels of 3 and activations f (He et al. 2016, "Identity mappings
  // in deep residual networks", without its batch normalisation); keeps the shape.
  void residual_block(const std::string& activation);
  void reshape(std::vector<std::int64_t> shape);  // of one sample

  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const override;
  std::vector<LayerDescription> layers() const override { return descriptions_; }
  nlohmann::ordered_json architecture() const override;
  const std::vector<std::int64_t>& shape() const { return shape_; }  // after the last layer so far

 private:
  template <typename Layer>
  void add(std::shared_ptr<Layer> layer, const std::string& what, nlohmann::ordered_json how);
  void describe(const std::string& what, nlohmann::ordered_json how, std::int64_t parameters = 0);

  std::vector<std::int64_t> input_;
  std::vector<std::int64_t> output_;
  std::int64_t condition_;
  std::vector<std::int64_t> shape_;
  std::vector<std::function<torch::Tensor(const torch::Tensor&)>> functions_;
  std::vector<LayerDescription> descriptions_;
};

std::vector<std::string> network_names();

// The hidden layers that suit a network, small enough for a first try. Throws ConfigError for one
// that is not registered.
std::vector<std::int64_t> network_widths(const std::string& network);

// `shape` of x: [D] for vectors, [C, L] for signals, [C, H, W] for images, [C, D, H, W] for
// volumes; `condition` entries of c. Throws ConfigError for a name that is not registered, and
// where the network does not go with the shape.
std::shared_ptr<Network> make_encoder(const NetworkOptions& options,
                                      const std::vector<std::int64_t>& shape, std::int64_t outputs,
                                      std::int64_t condition = 0);
// `parameters` for each variable of x.
std::shared_ptr<Network> make_decoder(const NetworkOptions& options, std::int64_t latent,
                                      const std::vector<std::int64_t>& shape,
                                      std::int64_t parameters, std::int64_t condition = 0);

}  // namespace elbow
