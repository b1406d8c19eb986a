#include "trainer/model/masked_convolution.h"

#include "base/error.h"

namespace elbow {
namespace {

void check(const Window& window, bool is_masked) {
  const bool holds_position = window.first_row <= window.last_row && window.last_row <= 0 &&
                              window.first_column <= 0 && window.last_column >= 0;
  // The position is the last that a masked kernel sees.
  const bool nothing_behind = !is_masked || (window.last_row == 0 && window.last_column == 0);
  if (holds_position && nothing_behind) return;
  throw Error(
      fmt::format("a window of rows {} to {} and columns {} to {} is not of what lies before",
                  window.first_row, window.last_row, window.first_column, window.last_column));
}

}  // namespace

MaskedConvolution::MaskedConvolution(std::int64_t inputs, std::int64_t outputs,
                                     const Window& window, const Sees& sees)
    : window_(window) {
  check(window, static_cast<bool>(sees));
  const std::int64_t rows = window.last_row - window.first_row + 1;
  const std::int64_t columns = window.last_column - window.first_column + 1;
  weight_ = register_parameter("weight", torch::zeros({outputs, inputs, rows, columns}));
  bias_ = register_parameter("bias", torch::zeros({outputs}));
  if (!sees) return;
  torch::Tensor mask = torch::ones_like(weight_, torch::TensorOptions().requires_grad(false));
  for (std::int64_t output = 0; output < outputs; ++output) {
    for (std::int64_t input = 0; input < inputs; ++input) {
      if (!sees(output, input)) mask[output][input][rows - 1][columns - 1] = 0;
    }
  }
  mask_ = register_buffer("mask", mask);
}

// The image is moved so far into zeros that each row finds the first row of its window where the
// kernel begins. Where the window ends above the position, as many outputs too many come out.
torch::Tensor MaskedConvolution::forward(const torch::Tensor& input) const {
  const auto padded = torch::constant_pad_nd(
      input, {-window_.first_column, window_.last_column, -window_.first_row, 0});
  const auto weight = mask_.defined() ? weight_ * mask_ : weight_;
  return torch::conv2d(padded, weight, bias_).narrow(2, 0, input.size(2));
}

std::string MaskedConvolution::what() const {
  return fmt::format("{}convolution {}x{}", mask_.defined() ? "masked " : "", weight_.size(2),
                     weight_.size(3));
}

nlohmann::ordered_json MaskedConvolution::how() const {
  return {{"type", "masked_convolution"},
          {"inputs", weight_.size(1)},
          {"outputs", weight_.size(0)},
          {"rows", {window_.first_row, window_.last_row}},
          {"columns", {window_.first_column, window_.last_column}},
          {"masked", mask_.defined()}};
}

}  // namespace elbow
