#include "trainer/model/vae.h"

#include "base/error.h"
#include "trainer/model/importance_weights.h"

namespace elbow {
namespace {

void check(const Shard& shard, std::int64_t draws) {
  if (shard.x.dim() < 2 || shard.x.size(0) != static_cast<std::int64_t>(shard.indices.size())) {
    throw Error(fmt::format("a shard of {} indices has a tensor of {} axes and {} rows",
                            shard.indices.size(), shard.x.dim(),
                            shard.x.dim() > 0 ? shard.x.size(0) : 0));
  }
  if (draws < 1) throw Error(fmt::format("{} draws: at least one is needed", draws));
}

std::span<const double> span_of(const torch::Tensor& contiguous) {
  return {contiguous.const_data_ptr<double>(), static_cast<std::size_t>(contiguous.numel())};
}

std::vector<double> to_vector(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.to(torch::kCPU, torch::kDouble).contiguous();
  const auto values = span_of(host);
  return {values.begin(), values.end()};
}

void prefix(std::vector<LayerDescription>& all, const std::string& name, const Network& network) {
  for (auto layer : network.layers()) {
    layer.name = name + "." + layer.name;
    all.push_back(std::move(layer));
  }
}

// What a prior or a likelihood learns beside the networks.
void append_learned(std::vector<LayerDescription>& all, const std::string& name,
                    const torch::nn::Module& module) {
  for (const auto& item : module.named_parameters()) {
    const auto sizes = item.value().sizes();
    all.push_back({name, item.key(), {sizes.begin(), sizes.end()}, item.value().numel()});
  }
}

}  // namespace

Vae::Vae(Parts parts) : parts_(std::move(parts)) {
  register_module("encoder", parts_.encoder);
  register_module("decoder", parts_.decoder);
  register_module("prior", parts_.prior);
  register_module("likelihood", parts_.likelihood);
}

torch::Tensor Vae::log_likelihood(const torch::Tensor& x, const torch::Tensor& z_BD) const {
  return parts_.likelihood->log_density(x, parts_.decoder->forward(z_BD)) + parts_.log_jacobian;
}

Terms Vae::terms(const Shard& shard, const RunNoise& noise, std::int64_t draws) {
  check(shard, draws);
  const auto q = parts_.prior->posterior(parts_.encoder->forward(shard.x));
  const auto closed_kl = parts_.prior->kl(*q);
  torch::Tensor reconstruction;
  torch::Tensor log_ratio;
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    const auto z = q->draw(
        q->noise(noise.key(Purpose::kPosterior), shard.indices, static_cast<std::uint32_t>(draw)));
    const auto log_p = log_likelihood(shard.x, z);
    reconstruction = draw == 0 ? log_p : reconstruction + log_p;
    if (closed_kl) continue;
    const auto ratio = q->log_density(z) - parts_.prior->log_density(z);
    log_ratio = draw == 0 ? ratio : log_ratio + ratio;
  }
  const double share = 1.0 / static_cast<double>(draws);
  if (draws > 1) reconstruction = reconstruction * share;
  const torch::Tensor kl = closed_kl ? *closed_kl : log_ratio * share;
  const torch::Tensor elbo = reconstruction - kl;
  return {elbo, elbo, reconstruction, kl};
}

// What belongs to z is computed in double, from z as the decoder sees it: it is little work, and
// log q - log p(z) is a difference of large numbers.
//
// The ELBO is the mean of the log-weights, which scatters less than mean log p(x | z) - KL the
// better q is (not at all where q is the posterior), and never exceeds log p^ of the same draws.
// The KL in closed form then gives the reconstruction as their sum, unbiased as well.
BlockFigures Vae::evaluate(const Shard& shard, std::int64_t samples, const RunNoise& noise) {
  torch::NoGradGuard no_grad;
  check(shard, samples);
  const auto& prior = *parts_.prior;
  const auto q = prior.posterior(parts_.encoder->forward(shard.x).to(torch::kDouble));
  ImportanceWeights weights(shard.indices.size());
  torch::Tensor elbo = torch::zeros({shard.x.size(0)}, torch::kDouble);
  torch::Tensor drawn_kl = torch::zeros_like(elbo);
  for (std::int64_t draw = 0; draw < samples; ++draw) {
    const auto z_decoder = q->draw(q->noise(noise.key(Purpose::kEvaluation), shard.indices,
                                            static_cast<std::uint32_t>(draw)))
                               .to(shard.x.scalar_type());
    const auto z = z_decoder.to(torch::kDouble);
    const auto log_p = log_likelihood(shard.x, z_decoder).to(torch::kCPU, torch::kDouble);
    const auto log_ratio = (q->log_density(z) - prior.log_density(z)).to(torch::kCPU);
    const auto log_weight = (log_p - log_ratio).contiguous();
    elbo += log_weight;
    drawn_kl += log_ratio;
    weights.add(span_of(log_weight));
  }
  elbo /= samples;
  const auto closed_kl = prior.kl(*q);
  const auto kl = closed_kl ? closed_kl->to(torch::kCPU) : drawn_kl / samples;
  return {to_vector(elbo),
          to_vector(elbo + kl),
          to_vector(kl),
          weights.log_likelihood(),
          weights.effective_sample_size(),
          weights.log_likelihood_variance()};
}

torch::Tensor Vae::sample(std::span<const std::int64_t> indices, const RunNoise& noise, Show show) {
  torch::NoGradGuard no_grad;
  const auto like = parameters().at(0);
  const auto key = noise.key(Purpose::kSampling);
  const auto z = parts_.prior->sample(key, indices, 0, like.scalar_type()).to(like.device());
  const auto output = parts_.decoder->forward(z);
  return show == Show::kMean ? parts_.likelihood->mean(output)
                             : parts_.likelihood->sample(output, key, indices, 1);
}

torch::Tensor Vae::reconstruct(const Shard& shard) {
  torch::NoGradGuard no_grad;
  const auto q = parts_.prior->posterior(parts_.encoder->forward(shard.x));
  return parts_.likelihood->mean(parts_.decoder->forward(q->mean()));
}

std::vector<LayerDescription> Vae::layers() const {
  std::vector<LayerDescription> all;
  prefix(all, "encoder", *parts_.encoder);
  prefix(all, "decoder", *parts_.decoder);
  append_learned(all, "prior", *parts_.prior);
  append_learned(all, "likelihood", *parts_.likelihood);
  return all;
}

std::string Vae::summary() const {
  return fmt::format("vae, {} latents, {}", parts_.prior->latent(), parts_.likelihood->summary());
}

std::shared_ptr<Procedure> make_vae(const ModelOptions& options, const Observation& observation) {
  Vae::Parts parts;
  parts.prior = make_prior(options);
  parts.likelihood = make_likelihood(options, observation);
  parts.encoder = make_encoder(options, observation.shape(), parts.prior->posterior_parameters());
  parts.decoder = make_decoder(options, parts.prior->latent(), observation.shape(),
                               parts.likelihood->parameters_per_variable());
  parts.log_jacobian = observation.log_jacobian();
  return std::make_shared<Vae>(std::move(parts));
}

}  // namespace elbow
