#include "trainer/model/pixelcnn_network.h"

#include <algorithm>

#include <torch/nn/modules/linear.h>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/architecture.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFirstReach = 3;  // a kernel of 7, without what comes later
constexpr std::int64_t kReach = 2;       // of 5

const Window kPosition = {0, 0, 0, 0};

Window rows_above(std::int64_t reach) { return {-reach, -1, -reach, reach}; }
Window rows_so_far(std::int64_t reach) { return {-reach, 0, -reach, reach}; }
Window row_so_far(std::int64_t reach) { return {0, 0, -reach, 0}; }

// Which of `channels` channels each of `features` belongs to.
std::int64_t channel_of(std::int64_t feature, std::int64_t features, std::int64_t channels) {
  return feature * channels / features;
}

// tanh(a) sigmoid(b), the halves of the channels (equation 2).
torch::Tensor gate(const torch::Tensor& value) {
  const auto halves = value.chunk(2, 1);
  return torch::tanh(halves[0]) * torch::sigmoid(halves[1]);
}

void check(const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& widths) {
  if (shape.size() != 3) {
    throw ConfigError(fmt::format(
        "option model.kind: a pixelcnn needs images, but a sample has the shape {}; say "
        "with data.layout how the axes are meant, or choose another model",
        shape_text(shape)));
  }
  if (widths.empty()) {
    throw ConfigError(
        "option model.widths: a pixelcnn needs the channels of at least one layer, for example "
        "[32, 32, 32]");
  }
  const std::int64_t least = *std::min_element(widths.begin(), widths.end());
  if (least < shape[0]) {
    throw ConfigError(fmt::format(
        "option model.widths: {} is less than the {} channels of an image, each of which needs a "
        "feature of its own in every layer of a pixelcnn",
        least, shape[0]));
  }
}

}  // namespace

// Features of both stacks, [B, width, H, W]. The vertical stack's at a pixel are of rows above it.
class PixelCnnNetwork::GatedLayer : public torch::nn::Module {
 public:
  // `inputs` features of a layer before, or the channels of the image and one of ones.
  GatedLayer(std::int64_t inputs, std::int64_t width, std::int64_t channels, bool first,
             std::int64_t condition)
      : residual_(!first && inputs == width) {
    const auto own = [=](std::int64_t output) {
      return channel_of(output % width, width, channels);
    };
    const auto earlier = [=](std::int64_t output, std::int64_t input) {
      return input < own(output);
    };
    const auto not_later = [=](std::int64_t output, std::int64_t input) {
      return channel_of(input, inputs, channels) <= own(output);
    };
    const auto from_own_width = [=](std::int64_t output, std::int64_t input) {
      return own(input) <= own(output);
    };
    vertical_ = register_module(
        "vertical", std::make_shared<MaskedConvolution>(
                        inputs, 2 * width, first ? rows_above(kFirstReach) : rows_so_far(kReach)));
    link_ = register_module("link",
                            std::make_shared<MaskedConvolution>(2 * width, 2 * width, kPosition));
    horizontal_ = register_module(
        "horizontal", first ? std::make_shared<MaskedConvolution>(inputs, 2 * width,
                                                                  row_so_far(kFirstReach), earlier)
                            : std::make_shared<MaskedConvolution>(inputs, 2 * width,
                                                                  row_so_far(kReach), not_later));
    mix_ = register_module(
        "mix", std::make_shared<MaskedConvolution>(width, width, kPosition, from_own_width));
    if (condition == 0) return;
    condition_ = register_module(
        "condition", torch::nn::Linear(torch::nn::LinearOptions(condition, 2 * width).bias(false)));
  }

  // The condition reaches the horizontal stack by the link.
  void forward(torch::Tensor& vertical, torch::Tensor& horizontal, const torch::Tensor& c) {
    torch::Tensor above = vertical_->forward(vertical);
    if (condition_) above = above + condition_->forward(c).unsqueeze(2).unsqueeze(3);
    const auto gated = gate(horizontal_->forward(horizontal) + link_->forward(above));
    const auto mixed = mix_->forward(gated);
    vertical = gate(above);
    horizontal = residual_ ? mixed + horizontal : mixed;
  }

  std::vector<std::pair<std::string, std::shared_ptr<MaskedConvolution>>> convolutions() const {
    return {{"vertical", vertical_}, {"link", link_}, {"horizontal", horizontal_}, {"mix", mix_}};
  }
  const torch::nn::Linear& condition() const { return condition_; }

  // All of it as one step.
  Json how() const {
    Json how = {
        {"type", "gated_layer"}, {"residual", residual_}, {"condition", !condition_.is_empty()}};
    for (const auto& [part, convolution] : convolutions()) how[part] = convolution->how();
    return how;
  }
  std::int64_t width() const { return mix_->outputs(); }

 private:
  bool residual_;
  std::shared_ptr<MaskedConvolution> vertical_;
  std::shared_ptr<MaskedConvolution> link_;
  std::shared_ptr<MaskedConvolution> horizontal_;
  std::shared_ptr<MaskedConvolution> mix_;
  torch::nn::Linear condition_ = nullptr;
};

PixelCnnNetwork::PixelCnnNetwork(std::vector<std::int64_t> shape,
                                 const std::vector<std::int64_t>& widths, std::int64_t parameters,
                                 std::int64_t condition)
    : shape_(std::move(shape)), parameters_(parameters), condition_(condition) {
  check(shape_, widths);
  const std::int64_t channels = shape_[0];
  std::int64_t inputs = channels + 1;
  for (const auto width : widths) {
    const std::string name = std::to_string(gated_.size());
    gated_.push_back(register_module(
        name, std::make_shared<GatedLayer>(inputs, width, channels, gated_.empty(), condition)));
    for (const auto& [part, convolution] : gated_.back()->convolutions()) {
      describe(name + "." + part, convolution->what(), convolution->outputs(), *convolution);
    }
    if (condition > 0) {
      describe(name + ".condition", "linear", 2 * width, *gated_.back()->condition());
    }
    inputs = width;
  }
  const auto not_later = [=](std::int64_t output, std::int64_t input) {
    return channel_of(input, inputs, channels) <= channel_of(output, inputs, channels);
  };
  // The parameters of a variable are `channels` apart.
  const auto of_parameter = [=](std::int64_t output, std::int64_t input) {
    return channel_of(input, inputs, channels) <= output % channels;
  };
  mix_ = add_output("mix", inputs, inputs, not_later);
  output_ = add_output("output", inputs, parameters * channels, of_parameter);
}

std::shared_ptr<MaskedConvolution> PixelCnnNetwork::add_output(
    const std::string& name, std::int64_t inputs, std::int64_t outputs,
    const MaskedConvolution::Sees& sees) {
  auto convolution =
      register_module(name, std::make_shared<MaskedConvolution>(inputs, outputs, kPosition, sees));
  describe(name, convolution->what(), outputs, *convolution, convolution->how());
  return convolution;
}

void PixelCnnNetwork::describe(const std::string& name, const std::string& what,
                               std::int64_t channels, const torch::nn::Module& module, Json how) {
  std::int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  descriptions_.push_back({name, what, {channels, shape_[1], shape_[2]}, count, std::move(how)});
}

torch::Tensor PixelCnnNetwork::forward(const torch::Tensor& input, const torch::Tensor& c) const {
  torch::Tensor condition;
  if (condition_ > 0) {
    if (!c.defined() || c.dim() != 2 || c.size(0) != input.size(0) || c.size(1) != condition_) {
      throw Error(
          fmt::format("a pixelcnn conditioned on {} numbers was not given as many for each "
                      "of {} samples",
                      condition_, input.size(0)));
    }
    condition = c.to(input.scalar_type());
  }
  const auto ones = torch::ones_like(input.narrow(1, 0, 1));
  torch::Tensor vertical = torch::cat({input, ones}, 1);
  torch::Tensor horizontal = vertical;
  for (const auto& layer : gated_) layer->forward(vertical, horizontal, condition);
  const auto mixed = mix_->forward(torch::relu(horizontal));
  const auto output = output_->forward(torch::relu(mixed));
  return output.view({input.size(0), parameters_, shape_[0], input.size(2), input.size(3)});
}

Json PixelCnnNetwork::architecture() const {
  const auto features = [&](std::int64_t count) {
    return std::vector<std::int64_t>{count, shape_[1], shape_[2]};
  };
  Json steps = Json::array({step_json("append_ones", features(shape_[0] + 1))});
  for (std::size_t i = 0; i < gated_.size(); ++i) {
    const auto& layer = *gated_[i];
    steps.push_back(
        step_json({std::to_string(i), "", features(layer.width()), 0, layer.how()}, *this));
  }
  steps.push_back(step_json("keep_horizontal", features(gated_.back()->width())));
  for (auto layer = descriptions_.end() - 2; layer != descriptions_.end(); ++layer) {
    Json relu = activation_json("relu");
    relu["output"] = features(gated_.back()->width());
    steps.push_back(std::move(relu));
    steps.push_back(step_json(*layer, *this));
  }
  return architecture_json(shape_, {parameters_, shape_[0], shape_[1], shape_[2]},
                           std::move(steps));
}

std::int64_t PixelCnnNetwork::reach() const {
  return kFirstReach + kReach * (static_cast<std::int64_t>(gated_.size()) - 1);
}

}  // namespace elbow
