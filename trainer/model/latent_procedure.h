// A procedure around p(x, z | c): what is the same wherever its q comes from.
#pragma once

#include <memory>

#include "trainer/model/latent_model.h"

namespace elbow {

// Derived classes say what q is. Parts are named decoder, prior and likelihood, in this order.
class LatentProcedure : public Procedure {
 public:
  void require_suitable(const Objective& objective) const override;
  Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) override;
  // Free bits count the KL of each latent.
  std::int64_t statistics(const Objective& objective) const override;
  torch::Tensor batch_statistics(const Shard& shard, const Objective& objective) override;
  BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                        const RunNoise& noise) override;
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) override;
  Code encode(const Shard& shard) override;
  torch::Tensor decode(const torch::Tensor& z, const torch::Tensor& condition) override;

  const LatentModel& model() const { return model_; }

 protected:
  explicit LatentProcedure(LatentModel model) : model_(std::move(model)) {}
  // Registers decoder, prior and likelihood: behind the parts that come before them.
  void register_model();

  // q of a training step, in the type of the parameters and with their gradient.
  virtual std::unique_ptr<Posterior> training_posterior(const Shard& shard) const = 0;
  // q of an evaluation, in double: from what is known in float.
  virtual std::unique_ptr<Posterior> evaluation_posterior(const Shard& shard,
                                                          const RunNoise& noise) const = 0;

  LatentModel model_;
};

}  // namespace elbow
