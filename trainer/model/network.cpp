#include "trainer/model/network.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/architecture.h"
#include "trainer/model/convolutional.h"
#include "trainer/model/mlp.h"
#include "trainer/model/residual.h"
#include "trainer/model/torchscript.h"
#include "trainer/model/transformer.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

struct NetworkKind {
  std::string name;
  std::shared_ptr<Network> (*encoder)(const NetworkOptions&, const std::vector<std::int64_t>&,
                                      std::int64_t outputs, std::int64_t condition);
  std::shared_ptr<Network> (*decoder)(const NetworkOptions&, std::int64_t latent,
                                      const std::vector<std::int64_t>&, std::int64_t parameters,
                                      std::int64_t condition);
  std::vector<std::int64_t> default_widths;
};

const std::vector<NetworkKind>& networks() {
  static const std::vector<NetworkKind> kinds = {
      {"mlp", make_mlp_encoder, make_mlp_decoder, {400}},
      {"convolutional", make_convolutional_encoder, make_convolutional_decoder, {32, 64}},
      {"residual", make_residual_encoder, make_residual_decoder, {32, 64}},
      {"transformer", make_transformer_encoder, make_transformer_decoder, {128}},
      {"torchscript", make_torchscript_encoder, make_torchscript_decoder, {400}},
  };
  return kinds;
}

const NetworkKind& find_network(const std::string& name) {
  for (const auto& kind : networks()) {
    if (kind.name == name) return kind;
  }
  throw ConfigError(fmt::format("option model.network: there is no network '{}'; {}", name,
                                suggestion(name, network_names())));
}

const NetworkKind& find_network(const NetworkOptions& options) {
  const std::string& name = options.network;
  if (name != "torchscript" && !(options.encoder.empty() && options.decoder.empty())) {
    throw ConfigError(fmt::format(
        "option model.{}: a file is read only where model.network = 'torchscript', and it is '{}'",
        options.encoder.empty() ? "decoder" : "encoder", name));
  }
  return find_network(name);
}

const std::vector<std::pair<std::string, Activation>>& activations() {
  static const std::vector<std::pair<std::string, Activation>> functions = {
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

// The convolutions of so many axes.
template <std::size_t Axes>
struct Convolutions;
template <>
struct Convolutions<1> {
  using Plain = torch::nn::Conv1d;
  using Transposed = torch::nn::ConvTranspose1d;
};
template <>
struct Convolutions<2> {
  using Plain = torch::nn::Conv2d;
  using Transposed = torch::nn::ConvTranspose2d;
};
template <>
struct Convolutions<3> {
  using Plain = torch::nn::Conv3d;
  using Transposed = torch::nn::ConvTranspose3d;
};

// Calls `function` with the number of axes behind the channels as a type.
template <typename Function>
void for_axes_of(const std::vector<std::int64_t>& shape, const Function& function) {
  switch (shape.size()) {
    case 2:
      return function(std::integral_constant<std::size_t, 1>());
    case 3:
      return function(std::integral_constant<std::size_t, 2>());
    case 4:
      return function(std::integral_constant<std::size_t, 3>());
    default:
      throw Error(fmt::format("a convolution over a sample of shape {}", shape_text(shape)));
  }
}

// A convolution of either direction; lists hold a number for each axis behind the channels.
template <std::size_t Axes>
Json convolution_json(const std::string& type,
                      const torch::nn::detail::ConvNdOptions<Axes>& options) {
  Json how = {{"type", type},
              {"inputs", options.in_channels()},
              {"outputs", options.out_channels()},
              {"kernel", *options.kernel_size()},
              {"stride", *options.stride()},
              {"padding", *std::get<torch::ExpandingArray<Axes>>(options.padding())}};
  if (options.transposed()) how["output_padding"] = *options.output_padding();
  return how;
}

// "4x4"
std::string kernel_text(std::size_t axes, int side) {
  return join(std::vector<std::string>(axes, std::to_string(side)), "x");
}

template <std::size_t Axes>
class ResidualBlock : public torch::nn::Module {
 public:
  ResidualBlock(std::int64_t channels, Activation activation) : activation_(activation) {
    const auto options = torch::nn::ConvOptions<Axes>(channels, channels, 3).padding(1);
    first_ = register_module("0", Convolution(options));
    second_ = register_module("1", Convolution(options));
  }

  // Both convolutions have these.
  const torch::nn::detail::ConvNdOptions<Axes>& options() const { return first_->options; }

  torch::Tensor forward(const torch::Tensor& x) {
    return x + second_->forward(activation_(first_->forward(activation_(x))));
  }

 private:
  using Convolution = typename Convolutions<Axes>::Plain;
  Activation activation_;
  Convolution first_ = nullptr;
  Convolution second_ = nullptr;
};

}  // namespace

Activation activation_function(const std::string& name) {
  for (const auto& [known, function] : activations()) {
    if (known == name) return function;
  }
  throw ConfigError(fmt::format("option model.activation: there is no activation '{}'; {}", name,
                                suggestion(name, activation_names())));
}

torch::Tensor with_condition(const torch::Tensor& value, const torch::Tensor& c,
                             std::int64_t condition, std::int64_t axis) {
  if (condition == 0) return value;
  if (!c.defined() || c.dim() != 2 || c.size(0) != value.size(0) || c.size(1) != condition) {
    throw Error(fmt::format(
        "a network conditioned on {} numbers was not given as many for each of {} samples",
        condition, value.size(0)));
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(value.dim()), 1);
  shape[0] = value.size(0);
  shape[static_cast<std::size_t>(axis)] = condition;
  std::vector<std::int64_t> expanded = value.sizes().vec();
  expanded[static_cast<std::size_t>(axis)] = condition;
  return torch::cat({value, c.to(value.scalar_type()).reshape(shape).expand(expanded)}, axis);
}

LayerStack::LayerStack(std::vector<std::int64_t> input, std::vector<std::int64_t> output,
                       std::int64_t condition)
    : input_(std::move(input)), output_(std::move(output)), condition_(condition), shape_(input_) {
  shape_.at(0) += condition_;
}

template <typename Layer>
void LayerStack::add(std::shared_ptr<Layer> layer, const std::string& what, Json how) {
  register_module(std::to_string(functions_.size()), layer);
  std::int64_t parameters = 0;
  for (const auto& parameter : layer->parameters()) parameters += parameter.numel();
  describe(what, std::move(how), parameters);
  functions_.push_back([layer](const torch::Tensor& t) { return layer->forward(t); });
}

void LayerStack::describe(const std::string& what, Json how, std::int64_t parameters) {
  descriptions_.push_back(
      {std::to_string(functions_.size()), what, shape_, parameters, std::move(how)});
}

void LayerStack::linear(std::int64_t outputs) {
  const std::int64_t inputs = c10::multiply_integers(shape_);
  if (shape_.size() > 1) reshape({inputs});
  shape_ = {outputs};
  add(torch::nn::Linear(inputs, outputs).ptr(), "linear", linear_json(inputs, outputs));
}

void LayerStack::activation(const std::string& name) {
  const Activation function = activation_function(name);
  describe(name, activation_json(name));
  functions_.emplace_back(function);
}

void LayerStack::convolution(std::int64_t channels) {
  const std::int64_t before = shape_.at(0);
  shape_[0] = channels;
  for (std::size_t axis = 1; axis < shape_.size(); ++axis) shape_[axis] /= 2;
  for_axes_of(shape_, [&](auto axes) {
    using Convolution = typename Convolutions<axes>::Plain;
    const auto options = torch::nn::ConvOptions<axes>(before, channels, 4).stride(2).padding(1);
    const auto layer = Convolution(options).ptr();
    add(layer, "convolution " + kernel_text(axes, 4) + " /2",
        convolution_json("convolution", layer->options));
  });
}

void LayerStack::transposed_convolution(std::int64_t channels,
                                        const std::vector<std::int64_t>& sides) {
  const std::int64_t before = shape_.at(0);
  std::vector<std::int64_t> more;
  for (std::size_t axis = 0; axis < sides.size(); ++axis) {
    more.push_back(sides[axis] - 2 * shape_.at(axis + 1));
  }
  shape_ = {channels};
  shape_.insert(shape_.end(), sides.begin(), sides.end());
  for_axes_of(shape_, [&](auto axes) {
    using Convolution = typename Convolutions<axes>::Transposed;
    const auto options = torch::nn::ConvTransposeOptions<axes>(before, channels, 4)
                             .stride(2)
                             .padding(1)
                             .output_padding(more);
    const auto layer = Convolution(options).ptr();
    add(layer, "transposed convolution " + kernel_text(axes, 4) + " *2",
        convolution_json("transposed_convolution", layer->options));
  });
}

void LayerStack::residual_block(const std::string& activation) {
  const Activation function = activation_function(activation);
  for_axes_of(shape_, [&](auto axes) {
    const auto block = std::make_shared<ResidualBlock<axes>>(shape_.at(0), function);
    Json how = convolution_json("residual_block", block->options());
    how["activation"] = activation;
    add(block, "residual block " + kernel_text(axes, 3) + " " + activation, std::move(how));
  });
}

void LayerStack::reshape(std::vector<std::int64_t> shape) {
  shape_ = std::move(shape);
  describe("reshape", {{"type", "reshape"}});
  functions_.push_back(
      [shape = shape_](const torch::Tensor& t) { return t.reshape(batch_shape(t, shape)); });
}

torch::Tensor LayerStack::forward(const torch::Tensor& input, const torch::Tensor& c) const {
  torch::Tensor value = with_condition(input.reshape(batch_shape(input, input_)), c, condition_);
  for (const auto& function : functions_) value = function(value);
  return value.reshape(batch_shape(value, output_));
}

Json LayerStack::architecture() const {
  Json steps = Json::array();
  if (condition_ > 0) {
    auto with_c = input_;
    with_c.at(0) += condition_;
    steps.push_back(append_condition_json(condition_, 1, with_c));
  }
  for (const auto& layer : descriptions_) steps.push_back(step_json(layer, *this));
  return architecture_json(input_, output_, std::move(steps));
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& kind : networks()) names.push_back(kind.name);
  return names;
}

std::vector<std::int64_t> network_widths(const std::string& network) {
  return find_network(network).default_widths;
}

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const auto& [name, function] : activations()) names.push_back(name);
  return names;
}

std::shared_ptr<Network> make_encoder(const NetworkOptions& options,
                                      const std::vector<std::int64_t>& shape, std::int64_t outputs,
                                      std::int64_t condition) {
  return find_network(options).encoder(options, shape, outputs, condition);
}

std::shared_ptr<Network> make_decoder(const NetworkOptions& options, std::int64_t latent,
                                      const std::vector<std::int64_t>& shape,
                                      std::int64_t parameters, std::int64_t condition) {
  return find_network(options).decoder(options, latent, shape, parameters, condition);
}

}  // namespace elbow
