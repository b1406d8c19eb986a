// Adam over flat storage, its schedule, and clipping.
#pragma once

#include <string>

#include <torch/types.h>

#include "base/options.h"

namespace elbow {

struct OptimizerOptions {
  std::string kind = "adam";
  double rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  std::string schedule = "cosine";
  double warmup = 0.0;  // epochs
};

void declare(OptionTable& table, OptimizerOptions& options);

// The learning rate after `samples` of `total` samples have been seen: it rises linearly from 0
// over the first `warmup_samples`, then stays ("constant") or falls to 0 along half a cosine
// ("cosine"; Loshchilov & Hutter 2017).
double learning_rate(const OptimizerOptions& options, double samples, double total,
                     double warmup_samples);

// Euclidean norm of the flat gradient.
double gradient_norm(const torch::Tensor& gradient);

// Adam (Kingma & Ba 2015), with LibTorch's fused kernel.
class Adam {
 public:
  // `values` [P]: the flat parameters, updated in place by every step.
  Adam(const OptimizerOptions& options, const torch::Tensor& values);

  // One step along gradient / divisor; the gradient [P] is overwritten by the quotient.
  void step(torch::Tensor& gradient, double divisor, double rate);

 private:
  OptimizerOptions options_;
  torch::Tensor values_;
  torch::Tensor first_moment_;
  torch::Tensor second_moment_;
  torch::Tensor steps_;
};

}  // namespace elbow
