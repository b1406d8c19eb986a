// Self-attention over the patches of an image (Vaswani et al. 2017; patches as tokens: Dosovitskiy
// et al. 2021), normalised before each layer (Xiong et al. 2020). model.widths holds the width of a
// token alone, model.depth the layers, model.heads the heads of each, model.patch the side of a
// patch. Where the sides of a sample are no multiples of it, the last patches reach over its end:
// the encoder fills them with zeros, the decoder cuts them off.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include "trainer/model/network.h"

namespace elbow {

// Shapes of x: [C, L], [C, H, W] or [C, D, H, W]. Throw ConfigError for others, and for options
// that do not go with each other.
std::shared_ptr<Network> make_transformer_encoder(const NetworkOptions& options,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t outputs, std::int64_t condition);
std::shared_ptr<Network> make_transformer_decoder(const NetworkOptions& options,
                                                  std::int64_t latent,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t parameters, std::int64_t condition);

// [B, C, sides...] cut into patches of `patch` entries a side, [B, T, C patch^axes], in the order
// of the axes; the last ones filled with zeros.
torch::Tensor cut_into_patches(const torch::Tensor& x, std::int64_t patch);
// The reverse, to samples of the shape [C, sides...].
torch::Tensor join_patches(const torch::Tensor& patches, std::int64_t patch,
                           const std::vector<std::int64_t>& shape);

// A layer of torch.nn.TransformerEncoderLayer(norm_first=True, dropout=0), tokens [B, T, W] to the
// same, but that queries, keys and values have no bias: a bias of keys has no effect, since softmax
// takes out what is common to all of them, and that of the normalisation stands in for the others.
class TransformerLayer : public torch::nn::Module {
 public:
  TransformerLayer(std::int64_t width, std::int64_t heads, const std::string& activation);
  torch::Tensor forward(const torch::Tensor& tokens);
  nlohmann::ordered_json how() const;  // LayerDescription::how

 private:
  torch::Tensor attention(const torch::Tensor& tokens);

  std::int64_t heads_;
  std::string activation_name_;
  Activation activation_;
  torch::nn::LayerNorm norm1_ = nullptr;
  torch::nn::Linear in_proj_ = nullptr;  // to queries, keys, values, [3 W, W]
  torch::nn::Linear out_proj_ = nullptr;
  torch::nn::LayerNorm norm2_ = nullptr;
  torch::nn::Linear linear1_ = nullptr;
  torch::nn::Linear linear2_ = nullptr;
};

}  // namespace elbow
