#include "trainer/model/cvae.h"

#include "base/error.h"

namespace elbow {

Cvae::Cvae(std::shared_ptr<Network> encoder, LatentModel model, Conditioning conditioning)
    : Vae(std::move(encoder), std::move(model)), conditioning_(std::move(conditioning)) {}

BlockFigures Cvae::evaluate(const Shard& shard, const Estimation& estimation,
                            const RunNoise& noise) {
  BlockFigures figures = Vae::evaluate(shard, estimation, noise);
  if (!conditioning_.is_classes()) return figures;
  const torch::Tensor true_class = shard.c.argmax(1).to(torch::kCPU);
  const torch::Tensor log_frequency = conditioning_.log_frequency();
  const torch::Tensor given_class = torch::tensor(figures.log_likelihood, torch::kDouble);
  figures.own.push_back(to_vector(given_class + log_frequency.index_select(0, true_class)));
  if (!estimation.marginal) return figures;

  std::vector<torch::Tensor> joint;  // log p(x, c) of each class
  for (std::int64_t k = 0; k < conditioning_.size(); ++k) {
    Shard other = shard;
    other.c = torch::zeros_like(shard.c);
    other.c.select(1, k).fill_(1);
    const BlockFigures tried = Vae::evaluate(other, estimation, noise);
    joint.push_back(torch::tensor(tried.log_likelihood, torch::kDouble) + log_frequency[k]);
  }
  const torch::Tensor joint_BK = torch::stack(joint, 1);
  const torch::Tensor log_marginal = joint_BK.logsumexp(1);
  const torch::Tensor log_class =
      joint_BK.gather(1, true_class.unsqueeze(1)).squeeze(1) - log_marginal;
  figures.own.push_back(to_vector(log_marginal));
  figures.own.push_back(to_vector(log_class));
  figures.own.push_back(to_vector(joint_BK.argmax(1) == true_class));
  return figures;
}

std::vector<OwnFigure> Cvae::own_figures(const Estimation& estimation) const {
  if (!conditioning_.is_classes()) return {};
  const std::string unmet = "p(c) is 0 of a class that training never met, and a sample has one";
  std::vector<OwnFigure> own = {{"log_joint", "log p(x, c)", unmet}};
  if (estimation.marginal) {
    own.push_back({"log_marginal", "log p(x), over all classes"});
    own.push_back({"log_class", "log p(c | x)", unmet});
    own.push_back({"accuracy", "share of samples whose class is the likeliest"});
  }
  return own;
}

std::string Cvae::summary() const {
  return fmt::format("c{}, given {}", Vae::summary(), conditioning_.summary());
}

std::shared_ptr<Procedure> make_cvae(const ModelOptions& options, const Observation& observation,
                                     const Conditioning& conditioning) {
  if (conditioning.size() == 0) {
    throw ConfigError(
        "option data.labels is missing: a cvae needs the labels that it is conditioned on");
  }
  LatentModel model = make_latent_model(options, observation, conditioning.size());
  auto encoder = make_encoder(options, observation.shape(), model.prior->posterior_parameters(),
                              conditioning.size());
  return std::make_shared<Cvae>(std::move(encoder), std::move(model), conditioning);
}

}  // namespace elbow
