#include "trainer/model/latent_model.h"

#include <cmath>

#include "base/error.h"
#include "trainer/model/importance_weights.h"

namespace elbow {
namespace {

std::span<const double> span_of(const torch::Tensor& contiguous) {
  return {contiguous.const_data_ptr<double>(), static_cast<std::size_t>(contiguous.numel())};
}
torch::Tensor noise_of(const Posterior& q, const Shard& shard, const NoiseKey& key,
                       std::int64_t draw) {
  return q.noise(key, shard.indices, static_cast<std::uint32_t>(draw));
}

// E_q log p(x | z) by the sum over all values of z.
torch::Tensor summed_reconstruction(const LatentModel& model, const Posterior& q,
                                    const Shard& shard) {
  torch::Tensor sum;
  for (std::int64_t k = 0; k < q.values(); ++k) {
    const auto z = q.value(k);
    const auto term = q.log_density(z).exp() * model.log_likelihood(shard.x, z, shard.c);
    sum = k == 0 ? term : sum + term;
  }
  return sum;
}

// The KL as the objective counts it: free bits pay for no latent whose mean over the batch is below
// them (Kingma et al. 2016, section 2.3 of the appendix), so that such a latent has no gradient.
torch::Tensor counted_kl(const torch::Tensor& kl_by_latent, const Objective& objective) {
  if (objective.free_bits <= 0) return kl_by_latent.sum(1);
  if (!objective.mean_kl.defined()) throw Error("free bits need the batch's mean KL");
  const auto pays = (objective.mean_kl > objective.free_bits)
                        .to(kl_by_latent.device(), kl_by_latent.scalar_type());
  return (pays * kl_by_latent + (1 - pays) * objective.free_bits).sum(1);
}

// log w of each draw, [K, B], and the terms' figures; IWAE's bound is log mean w. The gradient of
// `dreg` (Tucker et al. 2018, eq. 8) reaches q's parameters through z alone, each draw weighted by
// its normalised weight once more than the parameters of p.
Terms importance_weighted_terms(const LatentModel& model, const Posterior& q, const Shard& shard,
                                const RunNoise& noise, const Objective& objective) {
  const bool dreg = objective.kind == Objective::Kind::kDreg;
  const auto constant_q = dreg ? q.detached() : nullptr;
  auto weights = std::make_shared<torch::Tensor>();  // [K, B], known once all draws are
  std::vector<torch::Tensor> log_weights;
  torch::Tensor reconstruction;
  for (std::int64_t draw = 0; draw < objective.draws; ++draw) {
    const auto z = q.draw(noise_of(q, shard, noise.key(Purpose::kPosterior), draw));
    if (dreg && z.requires_grad()) {
      z.register_hook([weights, draw](const torch::Tensor& gradient) {
        return gradient * (*weights)[draw].unsqueeze(1);
      });
    }
    const auto log_p = model.log_likelihood(shard.x, z, shard.c);
    reconstruction = draw == 0 ? log_p : reconstruction + log_p;
    const auto log_q = (dreg ? *constant_q : q).log_density(z);
    log_weights.push_back(log_p + model.prior->log_density(z, shard.c) - log_q);
  }
  const torch::Tensor log_w = torch::stack(log_weights);
  const torch::Tensor bound = log_w.logsumexp(0) - std::log(static_cast<double>(objective.draws));
  *weights = log_w.detach().softmax(0);
  torch::Tensor maximised = bound;
  if (dreg) {
    const auto surrogate = (*weights * log_w).sum(0);
    maximised = surrogate + (bound - surrogate).detach();  // the bound's value, DReG's gradient
  }
  const auto elbo = log_w.mean(0).detach();
  reconstruction = reconstruction.detach() / static_cast<double>(objective.draws);
  return {maximised, elbo, reconstruction, reconstruction - elbo};
}

// log p(x) = logsumexp_z [log p(z) + log p(x | z)], and the ELBO as the sum over q.
BlockFigures summed_figures(const LatentModel& model, const Posterior& q, const Shard& shard) {
  const auto rows = shard.x.size(0);
  std::vector<torch::Tensor> log_joint;
  torch::Tensor elbo = torch::zeros({rows}, torch::kDouble);
  torch::Tensor reconstruction = torch::zeros_like(elbo);
  for (std::int64_t k = 0; k < q.values(); ++k) {
    const auto z = q.value(k);
    const auto log_p = model.log_likelihood(shard.x, z.to(shard.x.scalar_type()), shard.c)
                           .to(torch::kCPU, torch::kDouble);
    const auto log_q = q.log_density(z).to(torch::kCPU);
    const auto log_prior = model.prior->log_density(z, shard.c).to(torch::kCPU, torch::kDouble);
    log_joint.push_back(log_p + log_prior);
    const auto share = log_q.exp();
    // A value that q excludes contributes nothing, though its logarithm is infinite.
    elbo += torch::where(share > 0, share * (log_joint.back() - log_q), torch::zeros_like(share));
    reconstruction += share * log_p;
  }
  BlockFigures figures;
  figures.elbo = to_vector(elbo);
  figures.reconstruction = to_vector(reconstruction);
  figures.kl = to_vector(reconstruction - elbo);
  figures.log_likelihood = to_vector(torch::stack(log_joint).logsumexp(0));
  figures.log_likelihood_variance.assign(static_cast<std::size_t>(rows), 0.0);
  return figures;
}

}  // namespace

std::vector<double> to_vector(const torch::Tensor& tensor) {
  const torch::Tensor host = tensor.to(torch::kCPU, torch::kDouble).contiguous();
  const auto values = span_of(host);
  return {values.begin(), values.end()};
}

void require_fitting_shard(const Shard& shard, std::int64_t draws) {
  if (shard.x.dim() < 2 || shard.x.size(0) != static_cast<std::int64_t>(shard.indices.size())) {
    throw Error(fmt::format("a shard of {} indices has a tensor of {} axes and {} rows",
                            shard.indices.size(), shard.x.dim(),
                            shard.x.dim() > 0 ? shard.x.size(0) : 0));
  }
  if (draws < 1) throw Error(fmt::format("{} draws: at least one is needed", draws));
}

void require_rows(const Shard& shard, std::int64_t width) {
  if (shard.rows.defined() && shard.rows.dim() == 2 && shard.rows.size(0) == shard.x.size(0) &&
      shard.rows.size(1) == width) {
    return;
  }
  throw Error(fmt::format("a shard of {} samples needs as many rows of {} numbers",
                          shard.indices.size(), width));
}

torch::Tensor small_rows(std::span<const std::int64_t> indices, const RunNoise& noise,
                         std::int64_t width) {
  constexpr double kDeviation = 0.01;
  return kDeviation *
         normal_noise(noise.key(Purpose::kInitialisation), indices, 1, {width}, torch::kFloat);
}

torch::Tensor LatentModel::log_likelihood(const torch::Tensor& x, const torch::Tensor& z_BD,
                                          const torch::Tensor& c) const {
  return likelihood->log_density(x, decoder->forward(z_BD, c)) + log_jacobian;
}

Terms LatentModel::terms(const Posterior& q, const Shard& shard, const RunNoise& noise,
                         const Objective& objective) const {
  require_fitting_shard(shard, objective.draws);
  if (objective.kind != Objective::Kind::kElbo) {
    return importance_weighted_terms(*this, q, shard, noise, objective);
  }
  const auto closed_kl = prior->kl_by_latent(q, shard.c);
  const double share = 1.0 / static_cast<double>(objective.draws);
  torch::Tensor reconstruction;
  torch::Tensor log_ratio;
  torch::Tensor hard;  // reconstruction of hard draws, where the others are relaxed
  const bool summed = q.values() > 0 && closed_kl;
  if (summed) reconstruction = summed_reconstruction(*this, q, shard);
  for (std::int64_t draw = 0; !summed && draw < objective.draws; ++draw) {
    const auto variates = noise_of(q, shard, noise.key(Purpose::kPosterior), draw);
    const auto z = q.draw(variates);
    const auto log_p = share * log_likelihood(shard.x, z, shard.c);
    reconstruction = draw == 0 ? log_p : reconstruction + log_p;
    if (q.is_relaxed()) {
      torch::NoGradGuard no_grad;
      const auto exact = share * log_likelihood(shard.x, q.exact_draw(variates), shard.c);
      hard = draw == 0 ? exact : hard + exact;
    }
    if (closed_kl) continue;
    const auto ratio = share * (q.log_density(z) - prior->log_density(z, shard.c));
    log_ratio = draw == 0 ? ratio : log_ratio + ratio;
  }
  const torch::Tensor kl = closed_kl ? closed_kl->sum(1) : log_ratio;
  const torch::Tensor reported = q.is_relaxed() && !summed ? hard : reconstruction;
  const torch::Tensor elbo = reported - kl;
  if (objective.free_bits <= 0 && objective.kl_weight == 1 && !hard.defined()) {
    return {elbo, elbo, reconstruction, kl};
  }
  const auto counted = closed_kl ? counted_kl(*closed_kl, objective) : kl;
  return {reconstruction - objective.kl_weight * counted, elbo, reported, kl};
}

// What belongs to z is computed in double, from z as the decoder sees it: it is little work, and
// log q - log p(z) is a difference of large numbers.
//
// The ELBO is the mean of the log-weights, which scatters less than mean log p(x | z) - KL the
// better q is (not at all where q is the posterior), and never exceeds log p^ of the same draws.
// The KL in closed form then gives the reconstruction as their sum, unbiased as well.
BlockFigures LatentModel::evaluate(const Posterior& q, const Shard& shard, std::int64_t samples,
                                   const RunNoise& noise) const {
  torch::NoGradGuard no_grad;
  require_fitting_shard(shard, samples);
  if (q.values() > 0) return summed_figures(*this, q, shard);
  ImportanceWeights weights(shard.indices.size());
  torch::Tensor elbo = torch::zeros({shard.x.size(0)}, torch::kDouble);
  torch::Tensor drawn_kl = torch::zeros_like(elbo);
  for (std::int64_t draw = 0; draw < samples; ++draw) {
    const auto z_decoder = q.exact_draw(noise_of(q, shard, noise.key(Purpose::kEvaluation), draw))
                               .to(shard.x.scalar_type());
    const auto z = z_decoder.to(torch::kDouble);
    const auto log_p = log_likelihood(shard.x, z_decoder, shard.c).to(torch::kCPU, torch::kDouble);
    const auto log_prior = prior->log_density(z, shard.c);
    const auto log_ratio = (q.log_density(z) - log_prior).to(torch::kCPU, torch::kDouble);
    const auto log_weight = (log_p - log_ratio).contiguous();
    elbo += log_weight;
    drawn_kl += log_ratio;
    weights.add(span_of(log_weight));
  }
  elbo /= samples;
  const auto closed_kl = prior->kl_by_latent(q, shard.c);
  const auto kl =
      closed_kl ? closed_kl->sum(1).to(torch::kCPU, torch::kDouble) : drawn_kl / samples;
  return {to_vector(elbo),
          to_vector(elbo + kl),
          to_vector(kl),
          weights.log_likelihood(),
          weights.effective_sample_size(),
          weights.log_likelihood_variance(),
          {}};
}

torch::Tensor LatentModel::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                                  const RunNoise& noise, Show show) const {
  torch::NoGradGuard no_grad;
  const auto like = decoder->parameters().at(0);
  const auto key = noise.key(Purpose::kSampling);
  const auto condition = c.defined() ? c.to(like.device(), like.scalar_type()) : c;
  const auto z = prior->sample(key, indices, 0, condition, like.scalar_type()).to(like.device());
  const auto output = decoder->forward(z, condition);
  return show == Show::kMean ? likelihood->mean(output)
                             : likelihood->sample(output, key, indices, 1);
}

LatentModel make_latent_model(const ModelOptions& options, const Observation& observation,
                              std::int64_t condition) {
  LatentModel model;
  model.prior = make_prior(options, {condition, observation.shape()});
  model.likelihood = make_likelihood(options, observation);
  model.decoder = make_decoder(options, model.prior->latent(), observation.shape(),
                               model.likelihood->parameters_per_variable(), condition);
  model.log_jacobian = observation.log_jacobian();
  model.variables = observation.variables();
  return model;
}

}  // namespace elbow
