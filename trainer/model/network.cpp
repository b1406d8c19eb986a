#include "trainer/model/network.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/convolutional.h"
#include "trainer/model/mlp.h"

namespace elbow {
namespace {

struct Kind {
  std::string name;
  std::shared_ptr<Network> (*encoder)(const ModelOptions&, const std::vector<std::int64_t>&,
                                      std::int64_t);
  std::shared_ptr<Network> (*decoder)(const ModelOptions&, std::int64_t,
                                      const std::vector<std::int64_t>&, std::int64_t);
};

const std::vector<Kind>& registry() {
  static const std::vector<Kind> kinds = {
      {"mlp", make_mlp_encoder, make_mlp_decoder},
      {"convolutional", make_convolutional_encoder, make_convolutional_decoder},
  };
  return kinds;
}

const Kind& find(const std::string& name) {
  for (const auto& kind : registry()) {
    if (kind.name == name) return kind;
  }
  throw ConfigError(fmt::format("option model.network: there is no network '{}'; {}", name,
                                suggestion(name, network_names())));
}

using Function = torch::Tensor (*)(const torch::Tensor&);

const std::vector<std::pair<std::string, Function>>& activations() {
  static const std::vector<std::pair<std::string, Function>> functions = {
      {"relu", [](const torch::Tensor& t) { return torch::relu(t); }},
      {"tanh", [](const torch::Tensor& t) { return torch::tanh(t); }},
      {"elu", [](const torch::Tensor& t) { return torch::elu(t); }},
      {"gelu", [](const torch::Tensor& t) { return torch::gelu(t); }},
      {"silu", [](const torch::Tensor& t) { return torch::silu(t); }},
  };
  return functions;
}

std::vector<std::int64_t> batch_shape(const torch::Tensor& batch,
                                      const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> sizes = {batch.size(0)};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

}  // namespace

LayerStack::LayerStack(std::vector<std::int64_t> input, std::vector<std::int64_t> output)
    : input_(std::move(input)), output_(std::move(output)), shape_(input_) {}

template <typename Layer>
void LayerStack::add(Layer module, const std::string& what) {
  register_module(std::to_string(functions_.size()), module);
  std::int64_t parameters = 0;
  for (const auto& parameter : module->parameters()) parameters += parameter.numel();
  describe(what, parameters);
  functions_.push_back(
      [layer = module.ptr()](const torch::Tensor& t) { return layer->forward(t); });
}

void LayerStack::describe(const std::string& what, std::int64_t parameters) {
  descriptions_.push_back({std::to_string(functions_.size()), what, shape_, parameters});
}

void LayerStack::linear(std::int64_t outputs) {
  const std::int64_t inputs = c10::multiply_integers(shape_);
  if (shape_.size() > 1) reshape({inputs});
  shape_ = {outputs};
  add(torch::nn::Linear(inputs, outputs), "linear");
}

void LayerStack::activation(const std::string& name) {
  for (const auto& [known, function] : activations()) {
    if (known != name) continue;
    describe(name, 0);
    functions_.emplace_back(function);
    return;
  }
  throw ConfigError(fmt::format("option model.activation: there is no activation '{}'; {}", name,
                                suggestion(name, activation_names())));
}

void LayerStack::convolution(std::int64_t channels) {
  const auto options = torch::nn::Conv2dOptions(shape_.at(0), channels, 4).stride(2).padding(1);
  shape_ = {channels, shape_.at(1) / 2, shape_.at(2) / 2};
  add(torch::nn::Conv2d(options), "convolution 4x4 /2");
}

void LayerStack::transposed_convolution(std::int64_t channels, std::int64_t height,
                                        std::int64_t width) {
  const auto options = torch::nn::ConvTranspose2dOptions(shape_.at(0), channels, 4)
                           .stride(2)
                           .padding(1)
                           .output_padding({height - 2 * shape_.at(1), width - 2 * shape_.at(2)});
  shape_ = {channels, height, width};
  add(torch::nn::ConvTranspose2d(options), "transposed convolution 4x4 *2");
}

void LayerStack::reshape(std::vector<std::int64_t> shape) {
  shape_ = std::move(shape);
  describe("reshape", 0);
  functions_.push_back(
      [shape = shape_](const torch::Tensor& t) { return t.reshape(batch_shape(t, shape)); });
}

torch::Tensor LayerStack::forward(const torch::Tensor& input) const {
  torch::Tensor value = input.reshape(batch_shape(input, input_));
  for (const auto& function : functions_) value = function(value);
  return value.reshape(batch_shape(value, output_));
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& kind : registry()) names.push_back(kind.name);
  return names;
}

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const auto& [name, function] : activations()) names.push_back(name);
  return names;
}

std::shared_ptr<Network> make_encoder(const ModelOptions& options,
                                      const std::vector<std::int64_t>& shape,
                                      std::int64_t outputs) {
  return find(options.network).encoder(options, shape, outputs);
}

std::shared_ptr<Network> make_decoder(const ModelOptions& options, std::int64_t latent,
                                      const std::vector<std::int64_t>& shape,
                                      std::int64_t parameters) {
  return find(options.network).decoder(options, latent, shape, parameters);
}

}  // namespace elbow
