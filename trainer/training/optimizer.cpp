#include "trainer/training/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/_fused_adam.h>

namespace elbow {

void declare(OptionTable& table, OptimizerOptions& options) {
  table.add("optimizer.kind", &options.kind, "the optimiser", one_of({"adam"}));
  table.add("optimizer.rate", &options.rate, "learning rate at its highest", above(0));
  table.add("optimizer.beta1", &options.beta1, "decay of the gradient's running mean",
            between(0, 0.999999));
  table.add("optimizer.beta2", &options.beta2, "decay of the squared gradient's running mean",
            between(0, 0.99999999));
  table.add("optimizer.epsilon", &options.epsilon, "added to the root of the second moment",
            above(0));
  table.add("optimizer.schedule", &options.schedule,
            "how the rate goes on after the warm-up: constant, or falling to 0 along a cosine",
            one_of({"constant", "cosine"}));
  table.add("optimizer.warmup", &options.warmup, "epochs over which the rate rises from 0",
            at_least(0));
}

double learning_rate(const OptimizerOptions& options, double samples, double total,
                     double warmup_samples) {
  if (samples < warmup_samples) return options.rate * samples / warmup_samples;
  if (options.schedule == "constant") return options.rate;
  const double progress =
      std::clamp((samples - warmup_samples) / std::max(total - warmup_samples, 1.0), 0.0, 1.0);
  return options.rate * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

double gradient_norm(const torch::Tensor& gradient) { return gradient.norm(2).item<double>(); }

Adam::Adam(const OptimizerOptions& options, const torch::Tensor& values)
    : options_(options),
      values_(values),
      first_moment_(torch::zeros_like(values)),
      second_moment_(torch::zeros_like(values)),
      steps_(torch::zeros({}, torch::kFloat)) {}

void Adam::step(torch::Tensor& gradient, double divisor, double rate) {
  torch::NoGradGuard no_grad;
  steps_.add_(1);
  const torch::Tensor scale = torch::full({}, divisor, torch::kFloat);
  at::_fused_adam_({values_}, {gradient}, {first_moment_}, {second_moment_}, {}, {steps_}, rate,
                   options_.beta1, options_.beta2, /*weight_decay=*/0.0, options_.epsilon,
                   /*amsgrad=*/false, /*maximize=*/false, scale, /*found_inf=*/{});
}

}  // namespace elbow
