// LORD (Gabbay & Hoshen 2020, "Demystifying inter-class disentanglement"): what the samples of a
// class have in common is told from what each has for itself, by latent optimisation.
#pragma once

#include <memory>

#include "trainer/model/conditioning.h"
#include "trainer/model/fitted_posterior.h"
#include "trainer/model/latent_procedure.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"

namespace elbow {

// Stage 1: an embedding of each class and a content mu_i [D] of each sample, its row, learned with
// the decoder. The content has noise of a fixed deviation, so that it holds no more than it must:
// q_i = N(mu_i, noise^2 I), and ELBO = E log p(x | z, class) - KL(q_i, N(0, I)), where the KL is
// |mu_i|^2 / 2 but for a constant. The paper's |x - G|^2 + lambda |mu|^2 is this with
// training.beta = lambda / sigma^2.
//
// Stage 2: nothing of that moves any more. One encoder learns to read the content from x, another
// the embedding: log p(x | their codes) - distillation / 2 (|content - mu_i|^2 +
// |embedding - e|^2) is maximised.
//
// Figures are those of log p(x | c), the embedding being that of the labelled class: under a q
// fitted to the sample in stage 1, under N(the encoder's content, noise^2 I) after it.
class Lord : public LatentProcedure {
 public:
  struct Parts {
    std::shared_ptr<Network> content_encoder;  // x -> [B, D]
    std::shared_ptr<Network> class_encoder;    // x -> [B, E]
    LatentModel model;                         // whose c is an embedding, [B, E]
    std::int64_t classes = 0;                  // K
    std::int64_t class_code = 0;               // E
    double noise = 1.0;
    double distillation = 1.0;
    PosteriorFit fit = {};
  };
  explicit Lord(Parts parts);

  void require_suitable(const Objective& objective) const override;
  std::vector<std::string> stages() const override;
  void begin_stage(std::int64_t stage) override;
  bool is_validated() const override { return is_distilled(); }

  Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) override;
  BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                        const RunNoise& noise) override;
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) override;
  Code encode(const Shard& shard) override;
  // The embedding: of the labelled class in stage 1, after it what the encoder reads from x.
  torch::Tensor condition(const Shard& shard) override;
  bool condition_from_x() const override { return is_distilled(); }
  std::int64_t row_width() const override { return model_.prior->latent(); }
  torch::Tensor initial_rows(std::span<const std::int64_t> indices,
                             const RunNoise& noise) const override;
  nlohmann::ordered_json architecture() const override;
  std::string summary() const override;

  // c [B, K] -> [B, E], c times classes.weight times this scale, by which an embedding moves ten
  // times as fast as other parameters under the same rate, as in the paper.
  static constexpr double kEmbeddingScale = 10;
  torch::Tensor embedding(const torch::Tensor& c) const;

 protected:
  std::unique_ptr<Posterior> training_posterior(const Shard& shard) const override;
  std::unique_ptr<Posterior> evaluation_posterior(const Shard& shard,
                                                  const RunNoise& noise) const override;

 private:
  // With the embedding of its class for c.
  Shard embedded(const Shard& shard) const;
  std::unique_ptr<Posterior> around(const torch::Tensor& content) const;
  Terms distillation_terms(const Shard& shard) const;
  bool is_distilled() const;

  std::shared_ptr<Network> content_encoder_;
  std::shared_ptr<Network> class_encoder_;
  std::shared_ptr<torch::nn::Module> classes_;
  torch::Tensor weight_;     // [K, E]
  torch::Tensor distilled_;  // [1]: 0 in stage 1, then 1
  double noise_;
  double distillation_;
  PosteriorFit fit_;
};

// Throws ConfigError for another prior than the gaussian, and without classes.
std::shared_ptr<Procedure> make_lord(const ModelOptions& options, const Observation& observation,
                                     const Conditioning& conditioning);

}  // namespace elbow
