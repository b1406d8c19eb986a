#include "trainer/model/lord.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace elbow {
namespace {

torch::Tensor half_square(const torch::Tensor& difference) {
  return 0.5 * difference.square().sum(1);
}

}  // namespace

Lord::Lord(Parts parts)
    : LatentProcedure(std::move(parts.model)),
      content_encoder_(std::move(parts.content_encoder)),
      class_encoder_(std::move(parts.class_encoder)),
      noise_(parts.noise),
      distillation_(parts.distillation),
      fit_(parts.fit) {
  register_module("content_encoder", content_encoder_);
  register_module("class_encoder", class_encoder_);
  classes_ = register_module("classes", std::make_shared<torch::nn::Module>());
  weight_ = classes_->register_parameter("weight", torch::zeros({parts.classes, parts.class_code}));
  distilled_ = classes_->register_parameter("distilled", torch::zeros({1}), false);
  register_model();
}

void Lord::require_suitable(const Objective& objective) const {
  if (objective.kind == Objective::Kind::kElbo && objective.free_bits == 0) return;
  throw ConfigError(
      "options training.objective and training.free_bits: lord is trained by its own objective; "
      "leave them at 'elbo' and 0, and weigh the content by training.beta");
}

std::vector<std::string> Lord::stages() const {
  return {"codes and decoder", "encoders distilled from them"};
}

void Lord::begin_stage(std::int64_t stage) {
  const torch::NoGradGuard no_grad;
  distilled_.fill_(static_cast<double>(stage));
  for (auto& part : children()) {
    const bool encoder = part == content_encoder_ || part == class_encoder_;
    for (auto& parameter : part->parameters()) parameter.requires_grad_(encoder == (stage == 1));
  }
  distilled_.requires_grad_(false);
}

bool Lord::is_distilled() const { return distilled_.item<float>() != 0; }

torch::Tensor Lord::embedding(const torch::Tensor& c) const {
  return kEmbeddingScale * torch::matmul(c.to(weight_.device(), weight_.scalar_type()), weight_);
}

Shard Lord::embedded(const Shard& shard) const {
  Shard coded = shard;
  coded.c = embedding(shard.c);
  return coded;
}

std::unique_ptr<Posterior> Lord::around(const torch::Tensor& content) const {
  const auto log_variance = torch::full_like(content.detach(), 2 * std::log(noise_));
  return model_.prior->posterior(torch::cat({content, log_variance}, 1));
}

std::unique_ptr<Posterior> Lord::training_posterior(const Shard& shard) const {
  require_rows(shard, row_width());
  return around(shard.rows);
}

// `shard` is embedded.
std::unique_ptr<Posterior> Lord::evaluation_posterior(const Shard& shard,
                                                      const RunNoise& noise) const {
  if (shard.rows.defined()) return around(shard.rows.to(torch::kDouble));
  if (is_distilled()) return around(content_encoder_->forward(shard.x, {}).to(torch::kDouble));
  return model_.prior->posterior(fit_posterior(model_, shard, noise, fit_).to(torch::kDouble));
}

Terms Lord::terms(const Shard& shard, const RunNoise& noise, const Objective& objective) {
  if (is_distilled()) return distillation_terms(shard);
  return LatentProcedure::terms(embedded(shard), noise, objective);
}

Terms Lord::distillation_terms(const Shard& shard) const {
  require_rows(shard, row_width());
  const auto content = content_encoder_->forward(shard.x, {});
  const auto code = class_encoder_->forward(shard.x, {});
  const auto reconstruction = model_.log_likelihood(shard.x, content, code);
  const auto apart =
      half_square(content - shard.rows.detach()) + half_square(code - embedding(shard.c).detach());
  return {reconstruction - distillation_ * apart, {}, reconstruction, {}};
}

BlockFigures Lord::evaluate(const Shard& shard, const Estimation& estimation,
                            const RunNoise& noise) {
  return LatentProcedure::evaluate(embedded(shard), estimation, noise);
}

torch::Tensor Lord::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                           const RunNoise& noise, Show show) {
  const torch::NoGradGuard no_grad;
  return LatentProcedure::sample(indices, embedding(c), noise, show);
}

Code Lord::encode(const Shard& shard) {
  const torch::NoGradGuard no_grad;
  return LatentProcedure::encode(is_distilled() ? shard : embedded(shard));
}

torch::Tensor Lord::condition(const Shard& shard) {
  const torch::NoGradGuard no_grad;
  return is_distilled() ? class_encoder_->forward(shard.x, {}) : embedding(shard.c);
}

torch::Tensor Lord::initial_rows(std::span<const std::int64_t> indices,
                                 const RunNoise& noise) const {
  return small_rows(indices, noise, row_width());
}

nlohmann::ordered_json Lord::architecture() const {
  return {{"decoder_condition",
           "scale c classes.weight of the labelled class, or what class_encoder reads from x"},
          {"scale", kEmbeddingScale},
          {"posterior", "N(content_encoder(x), noise^2 I)"},
          {"noise", noise_}};
}

std::string Lord::summary() const {
  return fmt::format("lord, {} classes in {} numbers, content in {} with noise {}, {}",
                     weight_.size(0), weight_.size(1), row_width(), noise_,
                     model_.likelihood->summary());
}

std::shared_ptr<Procedure> make_lord(const ModelOptions& options, const Observation& observation,
                                     const Conditioning& conditioning) {
  if (options.prior != "gaussian") {
    throw ConfigError(
        fmt::format("option model.prior: '{}' does not go with model.kind 'lord', whose content "
                    "has a gaussian prior; leave it at 'gaussian'",
                    options.prior));
  }
  if (!conditioning.is_classes()) {
    throw ConfigError(
        "option data.labels is missing: lord needs the class of each sample, and model.condition "
        "'classes'");
  }
  if (options.network == "torchscript") {
    throw ConfigError(
        "option model.network: 'torchscript' does not go with model.kind 'lord', which has two "
        "encoders; choose a built-in network");
  }
  Lord::Parts parts;
  parts.model = make_latent_model(options, observation, options.class_code);
  parts.content_encoder = make_encoder(options, observation.shape(), options.latent, 0);
  parts.class_encoder = make_encoder(options, observation.shape(), options.class_code, 0);
  parts.classes = conditioning.size();
  parts.class_code = options.class_code;
  parts.noise = options.noise;
  parts.distillation = options.distillation;
  parts.fit = posterior_fit(options);
  return std::make_shared<Lord>(std::move(parts));
}

}  // namespace elbow
