#include "trainer/model/categorical_prior.h"

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/categorical.h"

namespace elbow {
namespace {

class CategoricalPrior : public Prior {
 public:
  CategoricalPrior(std::vector<std::int64_t> counts, double temperature)
      : counts_(std::move(counts)), temperature_(temperature) {}

  std::int64_t latent() const override {
    return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
  }

  std::string summary() const override {
    std::vector<std::string> values;
    for (const auto count : counts_) values.push_back(fmt::format("{}", count));
    return fmt::format("{} of {} values", counted(std::ssize(counts_), "latent"),
                       join(values, ", "));
  }

  // Every one-hot z has the same probability.
  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& /*c*/) const override {
    double log_values = 0;
    for (const auto count : counts_) log_values += std::log(static_cast<double>(count));
    return torch::full({z_BD.size(0)}, -log_values, z_BD.options().requires_grad(false));
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& /*c*/,
                       at::ScalarType type) const override {
    const auto batch = static_cast<std::int64_t>(indices.size());
    const Categorical uniform(torch::zeros({batch, latent()}, type), counts_, temperature_);
    return uniform.exact_draw(uniform.noise(key, indices, draw));
  }

  std::vector<LatentAxis> axes() const override {
    std::vector<LatentAxis> axes;
    std::int64_t first = 0;
    for (const auto count : counts_) {
      axes.push_back({first, count});
      first += count;
    }
    return axes;
  }

  std::int64_t posterior_parameters() const override { return latent(); }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<Categorical>(encoder_output, counts_, temperature_);
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                            const torch::Tensor& /*c*/) const override {
    const auto* categorical = dynamic_cast<const Categorical*>(&q);
    if (categorical == nullptr) return std::nullopt;
    return categorical->kl_to_uniform();
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "categorical"},
            {"latent", latent()},
            {"counts", counts_},
            {"distribution", "uniform over the one-hot vectors of each variable, side by side"},
            {"posterior",
             {{"kind", "categorical"},
              {"logits", {0, latent()}},
              {"mean", "softmax of the logits of each variable"}}}};
  }

 private:
  std::vector<std::int64_t> counts_;
  double temperature_;
};

}  // namespace

std::shared_ptr<Prior> make_categorical_prior(const PriorOptions& options,
                                              const PriorSetting& /*setting*/) {
  if (options.categories.empty()) {
    throw ConfigError(
        "option model.categories: [] has no variable; give each its number of categories, such as "
        "[10]");
  }
  for (const auto count : options.categories) {
    if (count < 2) {
      throw ConfigError(
          fmt::format("option model.categories: {} in {}, but a variable has at "
                      "least 2 categories",
                      count, shape_text(options.categories)));
    }
  }
  if (!(options.temperature > 0)) {
    throw ConfigError(
        fmt::format("option model.temperature: {} must be above 0", options.temperature));
  }
  return std::make_shared<CategoricalPrior>(options.categories, options.temperature);
}

}  // namespace elbow
