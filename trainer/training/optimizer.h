// Optimisers over flat storage, and their schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "base/options.h"
#include "trainer/training/flat_parameters.h"

namespace elbow {

struct OptimizerOptions {
  std::string kind = "adam";  // adam, adamw, sgd
  double rate = 1e-3;
  double row_rate = 0.0;  // of samples' own parameters; 0: 100 times `rate`
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum = 0.9;      // of sgd
  double weight_decay = 0.0;  // of adamw and sgd; never of biases and single numbers
  std::string schedule = "cosine";
  double warmup = 0.0;       // epochs
  double step_epochs = 10;   // of the step schedule: after so many the rate falls
  double step_factor = 0.1;  // to this part of what it was
  // What the schedule of that name goes by: epochs after each of which the rate falls by
  // step_factor.
  std::vector<std::int64_t> milestones = {};
};

void declare(OptionTable& table, OptimizerOptions& options);

// The learning rate after `samples` of `total` samples have been seen: it rises linearly from 0
// over the first `warmup` epochs of `epoch` samples each, then stays ("constant"), falls to 0 along
// half a cosine ("cosine"; Loshchilov & Hutter 2017), or falls by step_factor every step_epochs
// ("step") or once at each of the milestones ("milestones"), counted from the beginning.
double learning_rate(const OptimizerOptions& options, double samples, double total, double epoch);

// The rate at its highest of the samples' own parameters, which move by Adam whatever the kind.
// A hundred times that of the decoder by default: a row moves once an epoch. Where Hoshen et al.
// 2019 train GLO with ten times, PyTorch's dense Adam lets a row glide on along its momentum in all
// the steps between, some thirty times as far.
double row_rate(const OptimizerOptions& options);

// Euclidean norm of the flat gradient.
double gradient_norm(const torch::Tensor& gradient);

// Updates the flat parameters it was made for. What it knows of the past is in state() and
// set_steps() alone.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One step along gradient / divisor; the gradient [P] may be overwritten.
  virtual void step(torch::Tensor& gradient, double divisor, double rate) = 0;

  // Flat tensors [P] beside the parameters, such as "first_moment": views that may be written.
  virtual std::vector<std::pair<std::string, torch::Tensor>> state() const = 0;

  std::int64_t steps() const { return steps_; }
  virtual void set_steps(std::int64_t steps) { steps_ = steps; }

 protected:
  std::int64_t steps_ = 0;  // taken; a skipped one is none
};

// Moves the parameters that require a gradient now, and never the others. Adam (Kingma & Ba
// 2015), AdamW (Loshchilov & Hutter 2019: the rate times weight_decay times the
// weight is taken off as well) or SGD with momentum and an L2 term, as PyTorch defines them, by
// LibTorch's fused kernels. Throws ConfigError where schedule and milestones don't go together.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          FlatParameters& parameters);

}  // namespace elbow
