#include "trainer/model/fitted_posterior.h"

#include <cmath>
#include <limits>

#include <torch/csrc/autograd/autograd.h>

namespace elbow {
namespace {

constexpr std::int64_t kDraws = 4;
constexpr std::int64_t kWindow = 50;
constexpr int kPatience = 3;  // windows
constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;

// Adam (Kingma & Ba 2015) on the block's own numbers.
class Search {
 public:
  explicit Search(torch::Tensor start)
      : values_(std::move(start)),
        first_(torch::zeros_like(values_)),
        second_(torch::zeros_like(values_)) {}

  const torch::Tensor& values() const { return values_; }

  void step(const torch::Tensor& gradient, double rate) {
    ++steps_;
    first_.mul_(kBeta1).add_(gradient, 1 - kBeta1);
    second_.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    const auto t = static_cast<double>(steps_);
    const double correction = std::sqrt(1 - std::pow(kBeta2, t));
    values_.addcdiv_(first_, (second_.sqrt() / correction).add_(kEpsilon),
                     -rate / (1 - std::pow(kBeta1, t)));
  }

 private:
  torch::Tensor values_;
  torch::Tensor first_;
  torch::Tensor second_;
  std::int64_t steps_ = 0;
};

// The gradient of minus the block's ELBO by `values`, and the ELBO's sum.
std::pair<torch::Tensor, double> slope(const LatentModel& model, const Shard& shard,
                                       const RunNoise& noise, const torch::Tensor& values) {
  const torch::AutoGradMode with_gradient(true);
  const torch::Tensor leaf = values.detach().clone().set_requires_grad(true);
  Objective objective;
  objective.draws = kDraws;
  const Terms terms = model.terms(*model.prior->posterior(leaf), shard, noise, objective);
  const torch::Tensor loss = terms.objective.sum().neg();
  const auto gradients = torch::autograd::grad({loss}, {leaf});
  return {gradients[0], terms.elbo.detach().sum(torch::kDouble).item<double>()};
}

}  // namespace

PosteriorFit posterior_fit(const ModelOptions& options) {
  return {options.fit_steps, options.fit_rate};
}

RunNoise fitting_noise() { return {1, 0, kEvaluationEpoch}; }

torch::Tensor fit_posterior(const LatentModel& model, const Shard& shard, const RunNoise& noise,
                            const PosteriorFit& fit) {
  const torch::NoGradGuard no_grad;
  require_fitting_shard(shard, kDraws);
  Search search(
      torch::zeros({shard.x.size(0), model.prior->posterior_parameters()}, shard.x.options()));
  std::int64_t steps = 0;
  const auto step = [&](double rate) {
    const RunNoise step_noise{noise.seed, static_cast<std::uint32_t>(steps++), noise.epoch};
    const auto [gradient, elbo] = slope(model, shard, step_noise, search.values());
    search.step(gradient, rate);
    return elbo;
  };
  double best = -std::numeric_limits<double>::infinity();
  int without_gain = 0;  // windows
  while (without_gain < kPatience && steps < (fit.steps + 1) / 2) {
    double elbo = 0;
    for (std::int64_t i = 0; i < kWindow; ++i) elbo += step(fit.rate);
    without_gain = elbo > best ? 0 : without_gain + 1;
    best = std::max(best, elbo);
  }
  const std::int64_t falling = steps;
  for (std::int64_t i = 0; i < falling; ++i) {
    step(fit.rate * (1.0 - (static_cast<double>(i) + 0.5) / static_cast<double>(falling)));
  }
  return search.values();
}

}  // namespace elbow
