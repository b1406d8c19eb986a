#include "trainer/model/transformer.h"

#include <algorithm>
#include <cmath>

#include <torch/nn/modules/embedding.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/architecture.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;
using Shape = std::vector<std::int64_t>;

constexpr std::int64_t kHiddenUnits = 4;  // of a layer for each entry of a token, as in the papers

std::int64_t parameters_of(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

// The patches along each side of [C, sides...].
Shape grid(const Shape& shape, std::int64_t patch) {
  Shape counts;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    counts.push_back((shape[axis] + patch - 1) / patch);
  }
  return counts;
}

// Entries of a patch.
std::int64_t patch_size(const Shape& shape, std::int64_t patch) {
  std::int64_t size = shape[0];
  for (std::size_t axis = 1; axis < shape.size(); ++axis) size *= patch;
  return size;
}

void refuse_impossible(const NetworkOptions& options, const Shape& shape) {
  if (shape.size() < 2 || shape.size() > 4) {
    throw ConfigError(
        fmt::format("option model.network: 'transformer' needs images, signals or volumes, but a "
                    "sample has the shape {}; use 'mlp', or say with data.layout how the axes are "
                    "meant",
                    shape_text(shape)));
  }
  if (options.widths.size() != 1) {
    throw ConfigError(fmt::format(
        "option model.widths: a transformer has one width, that of its tokens, for example [128], "
        "and {} are given; model.depth is the number of its layers",
        options.widths.size()));
  }
  if (options.widths[0] % options.heads != 0) {
    throw ConfigError(fmt::format(
        "option model.heads: {} heads do not divide the tokens' width, model.widths = [{}]",
        options.heads, options.widths[0]));
  }
  const std::int64_t longest = *std::max_element(shape.begin() + 1, shape.end());
  if (options.patch > longest) {
    throw ConfigError(fmt::format(
        "option model.patch: patches of {} a side are larger than a sample of the shape {}",
        options.patch, shape_text(shape)));
  }
}

// What both directions have: layers over T tokens, normalised behind the last.
class Transformer : public Network {
 public:
  std::vector<LayerDescription> layers() const override { return descriptions_; }

 protected:
  Transformer(const NetworkOptions& options, const Shape& shape, std::int64_t condition)
      : shape_(shape),
        patch_(options.patch),
        tokens_(c10::multiply_integers(grid(shape, options.patch))),
        width_(options.widths[0]),
        condition_(condition) {}

  void add_layers(const NetworkOptions& options) {
    const Shape output = {tokens_, width_};
    for (std::int64_t layer = 0; layer < options.depth; ++layer) {
      const std::string name = "layer" + std::to_string(layer);
      layers_.push_back(register_module(
          name, std::make_shared<TransformerLayer>(width_, options.heads, options.activation)));
      describe(name, fmt::format("attention, {} heads, {}", options.heads, options.activation),
               output, *layers_.back(), layers_.back()->how());
    }
    norm_ = register_module("norm", torch::nn::LayerNorm(Shape{width_}));
    describe("norm", "layer norm", output, *norm_,
             {{"type", "layer_norm"}, {"width", width_}, {"epsilon", norm_->options.eps()}});
  }

  std::shared_ptr<torch::nn::LinearImpl> add_linear(const std::string& name, std::int64_t inputs,
                                                    std::int64_t outputs, const Shape& output) {
    auto layer = register_module(name, torch::nn::Linear(inputs, outputs));
    describe(name, "linear", output, *layer, linear_json(inputs, outputs));
    return layer;
  }

  void describe(const std::string& name, const std::string& what, const Shape& output,
                const torch::nn::Module& module, Json how) {
    descriptions_.push_back({name, what, output, parameters_of(module), std::move(how)});
  }

  // The steps of the layers from `first` to before `last`.
  void append_steps(Json& steps, std::size_t first, std::size_t last) const {
    for (std::size_t i = first; i < last; ++i) steps.push_back(step_json(descriptions_[i], *this));
  }

  Json patches_json(const std::string& type, const Shape& output) const {
    Json step = step_json(type, output);
    step["patch"] = patch_;
    return step;
  }

  torch::Tensor run(torch::Tensor tokens) const {
    for (const auto& layer : layers_) tokens = layer->forward(tokens);
    return norm_->forward(tokens);
  }

  Shape shape_;
  std::int64_t patch_;
  std::int64_t tokens_;
  std::int64_t width_;
  std::int64_t condition_;

 private:
  std::vector<std::shared_ptr<TransformerLayer>> layers_;
  std::shared_ptr<torch::nn::LayerNormImpl> norm_;
  std::vector<LayerDescription> descriptions_;
};

// c is given to every patch.
class Encoder : public Transformer {
 public:
  Encoder(const NetworkOptions& options, const Shape& shape, std::int64_t outputs,
          std::int64_t condition)
      : Transformer(options, shape, condition) {
    const Shape tokens = {tokens_, width_};
    patches_ = add_linear("patches", patch_size(shape, options.patch) + condition, width_, tokens);
    positions_ = register_module("positions", torch::nn::Embedding(tokens_, width_));
    describe("positions", "position of each patch", tokens, *positions_,
             {{"type", "add_positions"}});
    add_layers(options);
    outputs_ = add_linear("outputs", width_, outputs, {outputs});
  }

  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const override {
    const auto patches = with_condition(cut_into_patches(input, patch_), c, condition_, 2);
    const auto tokens = run(patches_->forward(patches) + positions_->weight);
    return outputs_->forward(tokens.mean(1));
  }

  Json architecture() const override {
    const std::int64_t entries = patch_size(shape_, patch_);
    Json steps = Json::array({patches_json("cut_into_patches", {tokens_, entries})});
    if (condition_ > 0) {
      steps.push_back(append_condition_json(condition_, 2, {tokens_, entries + condition_}));
    }
    const std::size_t last = layers().size() - 1;
    append_steps(steps, 0, last);
    steps.push_back(step_json("mean_of_tokens", {width_}));
    append_steps(steps, last, last + 1);
    return architecture_json(shape_, layers()[last].output, std::move(steps));
  }

 private:
  std::shared_ptr<torch::nn::LinearImpl> patches_;
  std::shared_ptr<torch::nn::EmbeddingImpl> positions_;
  std::shared_ptr<torch::nn::LinearImpl> outputs_;
};

// Each token is a linear function of its own of z (and c), whose bias says where it stands.
class Decoder : public Transformer {
 public:
  Decoder(const NetworkOptions& options, std::int64_t latent, const Shape& shape,
          std::int64_t parameters, std::int64_t condition)
      : Transformer(options, shape, condition), channels_(shape) {
    channels_[0] *= parameters;
    output_ = {parameters};
    output_.insert(output_.end(), shape.begin(), shape.end());
    const Shape tokens = {tokens_, width_};
    z_ = add_linear("tokens", latent + condition, tokens_ * width_, tokens);
    add_layers(options);
    const std::int64_t entries = patch_size(channels_, options.patch);
    patches_ = add_linear("patches", width_, entries, {tokens_, entries});
  }

  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& c) const override {
    const auto z = with_condition(input, c, condition_);
    const auto tokens = run(z_->forward(z).view({z.size(0), tokens_, width_}));
    Shape sizes = {z.size(0)};
    sizes.insert(sizes.end(), output_.begin(), output_.end());
    return join_patches(patches_->forward(tokens), patch_, channels_).reshape(sizes);
  }

  Json architecture() const override {
    const std::int64_t inputs = z_->options.in_features();
    Json steps = Json::array();
    if (condition_ > 0) steps.push_back(append_condition_json(condition_, 1, {inputs}));
    append_steps(steps, 0, layers().size());
    steps.push_back(patches_json("join_patches", channels_));
    return architecture_json({inputs - condition_}, output_, std::move(steps));
  }

 private:
  Shape channels_;  // of all parameters of the likelihood, as if they were one sample
  Shape output_;
  std::shared_ptr<torch::nn::LinearImpl> z_;
  std::shared_ptr<torch::nn::LinearImpl> patches_;
};

}  // namespace

torch::Tensor cut_into_patches(const torch::Tensor& x, std::int64_t patch) {
  const Shape shape(x.sizes().begin() + 1, x.sizes().end());
  const Shape counts = grid(shape, patch);
  Shape padding;  // begins with the last axis
  Shape split = {x.size(0), shape[0]};
  Shape order = {0};
  for (std::size_t axis = 0; axis < counts.size(); ++axis) {
    const std::size_t back = counts.size() - axis;
    padding.insert(padding.end(), {0, counts[back - 1] * patch - shape[back]});
    split.insert(split.end(), {counts[axis], patch});
    order.push_back(static_cast<std::int64_t>(2 * axis + 2));
  }
  order.push_back(1);
  for (std::size_t axis = 0; axis < counts.size(); ++axis) {
    order.push_back(static_cast<std::int64_t>(2 * axis + 3));
  }
  return torch::constant_pad_nd(x, padding)
      .view(split)
      .permute(order)
      .reshape({x.size(0), c10::multiply_integers(counts), patch_size(shape, patch)});
}

torch::Tensor join_patches(const torch::Tensor& patches, std::int64_t patch, const Shape& shape) {
  const Shape counts = grid(shape, patch);
  const auto axes = static_cast<std::int64_t>(counts.size());
  Shape split = {patches.size(0)};
  split.insert(split.end(), counts.begin(), counts.end());
  split.push_back(shape[0]);
  split.insert(split.end(), counts.size(), patch);
  Shape order = {0, axes + 1};
  Shape joined = {patches.size(0), shape[0]};
  for (std::int64_t axis = 0; axis < axes; ++axis) {
    order.insert(order.end(), {axis + 1, axes + 2 + axis});
    joined.push_back(counts[static_cast<std::size_t>(axis)] * patch);
  }
  torch::Tensor x = patches.view(split).permute(order).reshape(joined);
  for (std::int64_t axis = 1; axis <= axes; ++axis) {
    x = x.narrow(axis + 1, 0, shape[static_cast<std::size_t>(axis)]);
  }
  return x;
}

TransformerLayer::TransformerLayer(std::int64_t width, std::int64_t heads,
                                   const std::string& activation)
    : heads_(heads), activation_name_(activation), activation_(activation_function(activation)) {
  const auto without_bias = [](std::int64_t in, std::int64_t out) {
    return torch::nn::LinearOptions(in, out).bias(false);
  };
  norm1_ = register_module("norm1", torch::nn::LayerNorm(Shape{width}));
  in_proj_ = register_module("in_proj", torch::nn::Linear(without_bias(width, 3 * width)));
  out_proj_ = register_module("out_proj", torch::nn::Linear(width, width));
  norm2_ = register_module("norm2", torch::nn::LayerNorm(Shape{width}));
  linear1_ = register_module("linear1", torch::nn::Linear(width, kHiddenUnits * width));
  linear2_ = register_module("linear2", torch::nn::Linear(kHiddenUnits * width, width));
}

Json TransformerLayer::how() const {
  return {{"type", "transformer_layer"},
          {"width", linear1_->options.in_features()},
          {"heads", heads_},
          {"hidden", linear1_->options.out_features()},
          {"activation", activation_name_},
          {"epsilon", norm1_->options.eps()}};
}

torch::Tensor TransformerLayer::forward(const torch::Tensor& tokens) {
  const auto attended = tokens + attention(norm1_->forward(tokens));
  const auto hidden = activation_(linear1_->forward(norm2_->forward(attended)));
  return attended + linear2_->forward(hidden);
}

// softmax(q k' / sqrt(w)) v in each head, w its width (Vaswani et al. 2017, equation 1).
torch::Tensor TransformerLayer::attention(const torch::Tensor& tokens) {
  const std::int64_t batch = tokens.size(0);
  const std::int64_t count = tokens.size(1);
  const std::int64_t width = tokens.size(2) / heads_;
  const auto qkv = in_proj_->forward(tokens)
                       .view({batch, count, 3, heads_, width})
                       .permute({2, 0, 3, 1, 4});  // [3, B, heads, T, width]
  const auto scores = qkv[0].matmul(qkv[1].transpose(2, 3)) / std::sqrt(static_cast<double>(width));
  const auto values = scores.softmax(3).matmul(qkv[2]).transpose(1, 2);
  return out_proj_->forward(values.reshape({batch, count, heads_ * width}));
}

std::shared_ptr<Network> make_transformer_encoder(const NetworkOptions& options, const Shape& shape,
                                                  std::int64_t outputs, std::int64_t condition) {
  refuse_impossible(options, shape);
  return std::make_shared<Encoder>(options, shape, outputs, condition);
}

std::shared_ptr<Network> make_transformer_decoder(const NetworkOptions& options,
                                                  std::int64_t latent, const Shape& shape,
                                                  std::int64_t parameters, std::int64_t condition) {
  refuse_impossible(options, shape);
  return std::make_shared<Decoder>(options, latent, shape, parameters, condition);
}

}  // namespace elbow
