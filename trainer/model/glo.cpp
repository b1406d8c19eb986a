#include "trainer/model/glo.h"

#include <cmath>

#include <ATen/ops/linalg_eigh.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace elbow {
namespace {

constexpr double kShortest = 1e-12;  // of a code that is divided by its length

// The decoder behind the projection.
class ProjectedDecoder : public Network {
 public:
  ProjectedDecoder(std::shared_ptr<Network> network, CodeSpace space)
      : network_(register_module("network", std::move(network))), space_(space) {}

  torch::Tensor forward(const torch::Tensor& z_BD, const torch::Tensor& c) const override {
    const double shortest = space_ == CodeSpace::kBall ? 1.0 : kShortest;
    const auto length = z_BD.square().sum(1, /*keepdim=*/true).clamp_min(shortest * shortest);
    return network_->forward(z_BD / length.sqrt(), c);
  }

  std::vector<LayerDescription> layers() const override {
    auto layers = network_->layers();
    for (auto& layer : layers) layer.name = "network." + layer.name;
    return layers;
  }

 private:
  std::shared_ptr<Network> network_;
  CodeSpace space_;
};

}  // namespace

Glo::Glo(LatentModel model, CodeSpace space, const PosteriorFit& fit)
    : LatentProcedure(std::move(model)), space_(space), fit_(fit) {
  model_.decoder = std::make_shared<ProjectedDecoder>(model_.decoder, space);
  register_model();
  codes_ = register_module("codes", std::make_shared<torch::nn::Module>());
  const std::int64_t latent = model_.prior->latent();
  mean_ = codes_->register_parameter("mean", torch::zeros({latent}), /*requires_grad=*/false);
  factor_ = codes_->register_parameter("factor", torch::eye(latent), /*requires_grad=*/false);
}

void Glo::require_suitable(const Objective& objective) const {
  if (objective.kind == Objective::Kind::kElbo && objective.kl_weight == 1 &&
      objective.free_bits == 0) {
    return;
  }
  throw ConfigError(
      "options training.objective, training.beta, training.kl_warmup and training.free_bits: glo "
      "learns by reconstruction alone, without a KL to weigh; leave them at their defaults");
}

Terms Glo::terms(const Shard& shard, const RunNoise& /*noise*/, const Objective& objective) {
  require_fitting_shard(shard, objective.draws);
  require_rows(shard, row_width());
  const auto reconstruction = model_.log_likelihood(shard.x, shard.rows, shard.c);
  return {reconstruction, {}, reconstruction, {}};
}

std::unique_ptr<Posterior> Glo::training_posterior(const Shard& /*shard*/) const {
  throw Error("glo is trained without a q");
}

std::unique_ptr<Posterior> Glo::evaluation_posterior(const Shard& shard,
                                                     const RunNoise& noise) const {
  return model_.prior->posterior(fit_posterior(model_, shard, noise, fit_).to(torch::kDouble));
}

torch::Tensor Glo::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                          const RunNoise& noise, Show show) {
  const torch::NoGradGuard no_grad;
  const auto key = noise.key(Purpose::kSampling);
  const auto normal = normal_noise(key, indices, 0, {mean_.size(0)}, mean_.scalar_type());
  const auto z = torch::addmm(mean_, normal.to(mean_.device()), factor_.t());
  const auto output = model_.decoder->forward(z, c);
  return show == Show::kMean ? model_.likelihood->mean(output)
                             : model_.likelihood->sample(output, key, indices, 1);
}

Code Glo::encode(const Shard& shard) {
  if (shard.rows.defined()) return {shard.rows.detach(), {}};
  return LatentProcedure::encode(shard);
}

torch::Tensor Glo::initial_rows(std::span<const std::int64_t> indices,
                                const RunNoise& noise) const {
  torch::Tensor rows = small_rows(indices, noise, row_width());
  project_rows(rows);
  return rows;
}

// Row by row, so that its bits do not depend on how many there are.
void Glo::project_rows(torch::Tensor& rows) const {
  const std::int64_t width = rows.size(1);
  float* row = rows.data_ptr<float>();
  for (std::int64_t i = 0; i < rows.size(0); ++i, row += width) {
    double squares = 0;
    for (std::int64_t j = 0; j < width; ++j) squares += static_cast<double>(row[j]) * row[j];
    const double length = std::sqrt(squares);
    if (length <= (space_ == CodeSpace::kBall ? 1.0 : kShortest)) continue;
    for (std::int64_t j = 0; j < width; ++j) row[j] = static_cast<float>(row[j] / length);
  }
}

// Codes on a sphere, or fewer than their numbers, have a covariance without an inverse: its root is
// taken by eigenvalues.
void Glo::take_row_moments(const torch::Tensor& mean, const torch::Tensor& covariance) {
  const torch::NoGradGuard no_grad;
  const auto [values, vectors] = at::linalg_eigh(covariance);
  mean_.copy_(mean);
  factor_.copy_(vectors * values.clamp_min(0).sqrt());
}

nlohmann::ordered_json Glo::architecture() const {
  return {{"decoder_input", space_ == CodeSpace::kBall ? "z / max(1, |z|)" : "z / |z|"},
          {"distribution", "z ~ N(codes.mean, codes.factor codes.factor^T)"}};
}

std::string Glo::summary() const {
  return fmt::format("glo, codes of {} numbers {}, {}", row_width(),
                     space_ == CodeSpace::kBall ? "in the unit ball" : "on the unit sphere",
                     model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_glo(const ModelOptions& options, const Observation& observation,
                                    const Conditioning& conditioning) {
  if (options.prior != "gaussian") {
    throw ConfigError(fmt::format(
        "option model.prior: '{}' does not go with model.kind 'glo', whose figures are given under "
        "a gaussian prior; leave it at 'gaussian'",
        options.prior));
  }
  return std::make_shared<Glo>(make_latent_model(options, observation, conditioning.size()),
                               options.sphere == "ball" ? CodeSpace::kBall : CodeSpace::kSphere,
                               posterior_fit(options));
}

}  // namespace elbow
