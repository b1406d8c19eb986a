#include "trainer/training/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>

#include "base/error.h"

namespace elbow {
namespace {

// A contiguous part of the flat storage.
struct Group {
  std::int64_t begin;
  std::int64_t end;
  double weight_decay;

  torch::Tensor of(const torch::Tensor& flat) const { return flat.narrow(0, begin, end - begin); }
};

// The parameters that learn, in as few groups as there can be.
std::vector<Group> groups_of(const OptimizerOptions& options, FlatParameters& parameters) {
  std::vector<Group> groups;
  const auto& entries = parameters.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].value.requires_grad()) continue;
    const bool decays = options.kind != "adam" && entries[i].offset < parameters.matrices_end();
    const double decay = decays ? options.weight_decay : 0.0;
    const bool last = i + 1 == entries.size();
    const std::int64_t end = last ? parameters.values().numel() : entries[i + 1].offset;
    if (!groups.empty() && groups.back().end == entries[i].offset &&
        groups.back().weight_decay == decay) {
      groups.back().end = end;
    } else {
      groups.push_back({entries[i].offset, end, decay});
    }
  }
  return groups;
}

class Adam : public Optimizer {
 public:
  Adam(const OptimizerOptions& options, FlatParameters& parameters)
      : options_(options),
        groups_(groups_of(options, parameters)),
        values_(parameters.values()),
        first_moment_(torch::zeros_like(values_)),
        second_moment_(torch::zeros_like(values_)) {}

  void step(torch::Tensor& gradient, double divisor, double rate) override {
    torch::NoGradGuard no_grad;
    ++steps_;
    const torch::Tensor scale = torch::full({}, divisor, values_.options().dtype(torch::kFloat));
    for (const Group& group : groups_) {
      torch::Tensor steps =
          torch::full({}, static_cast<float>(steps_), values_.options().dtype(torch::kFloat));
      if (options_.kind == "adamw") {
        at::_fused_adamw_({group.of(values_)}, {group.of(gradient)}, {group.of(first_moment_)},
                          {group.of(second_moment_)}, {}, {steps}, rate, options_.beta1,
                          options_.beta2, group.weight_decay, options_.epsilon,
                          /*amsgrad=*/false, /*maximize=*/false, scale, /*found_inf=*/{});
      } else {
        at::_fused_adam_({group.of(values_)}, {group.of(gradient)}, {group.of(first_moment_)},
                         {group.of(second_moment_)}, {}, {steps}, rate, options_.beta1,
                         options_.beta2, /*weight_decay=*/0.0, options_.epsilon,
                         /*amsgrad=*/false, /*maximize=*/false, scale, /*found_inf=*/{});
      }
    }
  }

  std::vector<std::pair<std::string, torch::Tensor>> state() const override {
    return {{"first_moment", first_moment_}, {"second_moment", second_moment_}};
  }

 private:
  OptimizerOptions options_;
  std::vector<Group> groups_;
  torch::Tensor values_;
  torch::Tensor first_moment_;
  torch::Tensor second_moment_;
};

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, FlatParameters& parameters)
      : options_(options),
        groups_(groups_of(options, parameters)),
        values_(parameters.values()),
        momentum_(torch::zeros_like(values_)) {}

  void step(torch::Tensor& gradient, double divisor, double rate) override {
    torch::NoGradGuard no_grad;
    ++steps_;
    const torch::Tensor scale = torch::full({}, divisor, values_.options().dtype(torch::kFloat));
    for (const Group& group : groups_) {
      // Without momentum the kernel refuses to be given any.
      std::vector<torch::Tensor> momentum;
      if (options_.momentum > 0) momentum.push_back(group.of(momentum_));
      at::_fused_sgd_({group.of(values_)}, {group.of(gradient)}, momentum, group.weight_decay,
                      options_.momentum, rate, /*dampening=*/0.0,
                      /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/steps_ == 1, scale,
                      /*found_inf=*/{});
    }
  }

  std::vector<std::pair<std::string, torch::Tensor>> state() const override {
    return {{"momentum", momentum_}};
  }

 private:
  OptimizerOptions options_;
  std::vector<Group> groups_;
  torch::Tensor values_;
  torch::Tensor momentum_;
};

void check_schedule(const OptimizerOptions& options) {
  const bool by_milestones = options.schedule == "milestones";
  if (by_milestones && options.milestones.empty()) {
    throw ConfigError(
        "option optimizer.milestones: the schedule 'milestones' needs the epochs after which the "
        "rate falls, for example [200, 350]");
  }
  if (!by_milestones && !options.milestones.empty()) {
    throw ConfigError(
        fmt::format("option optimizer.milestones does not go with optimizer.schedule '{}'; use "
                    "'milestones', or leave it out",
                    options.schedule));
  }
}

}  // namespace

void declare(OptionTable& table, OptimizerOptions& options) {
  table.add("optimizer.kind", &options.kind, "the optimiser", one_of({"adam", "adamw", "sgd"}));
  table.add("optimizer.rate", &options.rate, "learning rate at its highest", above(0));
  table.add(
      "optimizer.row_rate", &options.row_rate,
      "latent-optimisation, glo and lord: learning rate of the samples' own parameters at its "
      "highest, always by adam; 0: a hundred times optimizer.rate, since a row is seen once an "
      "epoch",
      at_least(0));
  table.add("optimizer.beta1", &options.beta1, "adam: decay of the gradient's running mean",
            between(0, 0.999999));
  table.add("optimizer.beta2", &options.beta2, "adam: decay of the squared gradient's running mean",
            between(0, 0.99999999));
  table.add("optimizer.epsilon", &options.epsilon, "adam: added to the root of the second moment",
            above(0));
  table.add("optimizer.momentum", &options.momentum, "sgd: part of the last step that is repeated",
            between(0, 0.999999));
  table.add("optimizer.weight_decay", &options.weight_decay,
            "adamw and sgd: decay of the weights, not of biases", at_least(0));
  table.add("optimizer.schedule", &options.schedule,
            "what the rate does after the warm-up: constant, falling to 0 along a cosine, in "
            "equal steps, or at milestones",
            one_of({"constant", "cosine", "step", "milestones"}));
  table.add("optimizer.warmup", &options.warmup, "epochs over which the rate rises from 0",
            at_least(0));
  table.add("optimizer.step_epochs", &options.step_epochs,
            "schedule step: epochs after which the rate falls, again and again", above(0));
  table.add("optimizer.step_factor", &options.step_factor,
            "schedules step and milestones: the part of the rate that is left each time",
            between(0, 1));
  table.add("optimizer.milestones", &options.milestones,
            "schedule milestones: epochs, counted from the beginning, after each of which the rate "
            "falls, for example [200, 350]",
            between(1, 1e6));
}

double learning_rate(const OptimizerOptions& options, double samples, double total, double epoch) {
  const double warmup = options.warmup * epoch;
  if (samples < warmup) return options.rate * samples / warmup;
  if (options.schedule == "constant") return options.rate;
  if (options.schedule == "step") {
    return options.rate *
           std::pow(options.step_factor, std::floor(samples / (options.step_epochs * epoch)));
  }
  if (options.schedule == "milestones") {
    const auto passed = std::count_if(
        options.milestones.begin(), options.milestones.end(),
        [&](std::int64_t epochs) { return samples >= static_cast<double>(epochs) * epoch; });
    return options.rate * std::pow(options.step_factor, static_cast<double>(passed));
  }
  const double progress = std::clamp((samples - warmup) / std::max(total - warmup, 1.0), 0.0, 1.0);
  return options.rate * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

double row_rate(const OptimizerOptions& options) {
  return options.row_rate > 0 ? options.row_rate : 100 * options.rate;
}

double gradient_norm(const torch::Tensor& gradient) { return gradient.norm(2).item<double>(); }

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          FlatParameters& parameters) {
  check_schedule(options);
  if (options.kind == "sgd") return std::make_unique<Sgd>(options, parameters);
  return std::make_unique<Adam>(options, parameters);
}

}  // namespace elbow
