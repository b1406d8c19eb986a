#include "trainer/model/categorical_likelihood.h"

#include "base/error.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

class CategoricalLikelihood : public Likelihood {
 public:
  explicit CategoricalLikelihood(std::int64_t levels) : levels_(levels) {}

  std::int64_t parameters_per_variable() const override { return levels_; }

  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override {
    const auto k = (x * static_cast<double>(levels_)).round().to(torch::kLong).unsqueeze(1);
    const auto log_p = output.gather(1, k).squeeze(1) - output.logsumexp(1);
    return log_p.flatten(1).sum(1);
  }

  torch::Tensor mean(const torch::Tensor& output) const override {
    const auto x = torch::arange(levels_, output.options()) / static_cast<double>(levels_);
    return output.softmax(1).movedim(1, -1).matmul(x);
  }

  // By the inverse distribution function, one level at a time so that memory stays small.
  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override {
    const auto p = output.softmax(1);
    const auto u = uniform_noise(key, indices, draw, output.sizes().slice(2), torch::kDouble)
                       .to(output.device());
    auto cumulative = torch::zeros_like(u);
    auto k = torch::zeros_like(u);
    for (std::int64_t level = 0; level + 1 < levels_; ++level) {
      cumulative += p.select(1, level);
      k += u >= cumulative;
    }
    return (k / static_cast<double>(levels_)).to(output.scalar_type());
  }

  std::string summary() const override {
    return fmt::format("categorical likelihood over {} levels", levels_);
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "categorical"},
            {"parameters_per_variable", levels_},
            {"levels", levels_},
            {"distribution", "k = levels x of each variable: softmax(output over axis 1)_k"},
            {"mean", "sum_k softmax(output over axis 1)_k k / levels"}};
  }

 private:
  std::int64_t levels_;
};

}  // namespace

std::shared_ptr<Likelihood> make_categorical_likelihood(const LikelihoodOptions& /*options*/,
                                                        const Observation& observation) {
  return std::make_shared<CategoricalLikelihood>(observation.levels());
}

}  // namespace elbow
