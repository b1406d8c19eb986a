#include "trainer/model/product_prior.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/most_units.h"
#include "trainer/model/product_posterior.h"

namespace elbow {
namespace {

class ProductPrior : public Prior {
 public:
  explicit ProductPrior(std::vector<std::shared_ptr<Prior>> parts) : parts_(std::move(parts)) {
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      register_module(fmt::format("{}", p), parts_[p]);
      latents_.push_back(parts_[p]->latent());
      outputs_.push_back(parts_[p]->posterior_parameters());
    }
  }

  std::int64_t latent() const override { return c10::sum_integers(latents_); }
  std::int64_t posterior_parameters() const override { return c10::sum_integers(outputs_); }

  std::string summary() const override {
    std::vector<std::string> parts;
    for (const auto& part : parts_) parts.push_back(part->summary());
    return join(parts, " and ");
  }

  std::vector<LatentAxis> axes() const override {
    std::vector<LatentAxis> all;
    std::int64_t first = 0;
    for (const auto& part : parts_) {
      for (LatentAxis axis : part->axes()) {
        axis.first += first;
        all.push_back(axis);
      }
      first += part->latent();
    }
    return all;
  }

  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& c) const override {
    const auto z = z_BD.split_with_sizes(latents_, 1);
    torch::Tensor sum = parts_[0]->log_density(z[0], c);
    for (std::size_t p = 1; p < parts_.size(); ++p) sum = sum + parts_[p]->log_density(z[p], c);
    return sum;
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& c,
                       at::ScalarType type) const override {
    std::vector<torch::Tensor> samples;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const auto z = parts_[p]->sample(key, indices, draw_of_part(draw, p), c, type);
      samples.push_back(z.to(device(c)));
    }
    return torch::cat(samples, 1);
  }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    const auto outputs = encoder_output.split_with_sizes(outputs_, 1);
    std::vector<std::unique_ptr<Posterior>> posteriors;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      posteriors.push_back(parts_[p]->posterior(outputs[p]));
    }
    return std::make_unique<ProductPosterior>(std::move(posteriors));
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                            const torch::Tensor& c) const override {
    const auto* product = dynamic_cast<const ProductPosterior*>(&q);
    if (product == nullptr || product->size() != parts_.size()) return std::nullopt;
    std::vector<torch::Tensor> columns;
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const auto kl = parts_[p]->kl_by_latent(product->part(p), c);
      if (!kl) return std::nullopt;
      columns.push_back(*kl);
    }
    return torch::cat(columns, 1);
  }

  nlohmann::ordered_json architecture() const override {
    auto factors = nlohmann::ordered_json::array();
    for (const auto& part : parts_) factors.push_back(part->architecture());
    return {{"kind", "product"},
            {"latent", latent()},
            {"distribution", "the factors' product, z side by side in their order"},
            {"factors", std::move(factors)},
            {"posterior", {{"kind", "product"}, {"outputs", outputs_}}}};
  }

 private:
  torch::Device device(const torch::Tensor& c) const {
    const auto learned = parameters();
    if (!learned.empty()) return learned.front().device();
    return c.defined() ? c.device() : torch::kCPU;
  }

  std::vector<std::shared_ptr<Prior>> parts_;
  std::vector<std::int64_t> latents_;
  std::vector<std::int64_t> outputs_;
};

// A product would be the same as its factors written out, and a VampPrior's pseudo-inputs pass
// through the encoder of all of z.
std::vector<std::string> factor_names() {
  auto names = prior_names();
  std::erase_if(names, [](const auto& name) { return name == "product" || name == "vamp"; });
  return names;
}

// The options of a factor's own prior.
PriorOptions parse_factor(const std::string& factor, PriorOptions options) {
  auto words = split(factor, ' ');
  std::erase(words, "");
  std::int64_t size = 0;
  if (words.size() != 2 || !parse_number(words[1], size)) {
    throw ConfigError(fmt::format(
        "option model.factors: '{}' is not a prior and its size, such as 'uniform 2'", factor));
  }
  const auto names = factor_names();
  if (std::find(names.begin(), names.end(), words[0]) == names.end()) {
    throw ConfigError(fmt::format("option model.factors: '{}' is no factor; {}", words[0],
                                  suggestion(words[0], names)));
  }
  const bool categorical = words[0] == "categorical";
  const std::int64_t smallest = categorical ? 2 : 1;
  if (size < smallest || size > kMostUnits) {
    throw ConfigError(fmt::format("option model.factors: the size in '{}' must be from {} to {}",
                                  factor, smallest, kMostUnits));
  }
  options.prior = words[0];
  options.latent = size;
  options.categories = {size};
  return options;
}

}  // namespace

std::shared_ptr<Prior> make_product_prior(const PriorOptions& options,
                                          const PriorSetting& setting) {
  if (options.factors.empty() || options.factors.size() > kMostParts) {
    throw ConfigError(fmt::format(
        "option model.factors: the prior 'product' needs from 1 to {} factors, not {}; for example "
        "[\"categorical 183\", \"uniform 2\"]",
        kMostParts, options.factors.size()));
  }
  std::vector<std::shared_ptr<Prior>> parts;
  bool mixture = false;
  bool categorical = false;
  for (const auto& factor : options.factors) {
    const PriorOptions part = parse_factor(factor, options);
    mixture = mixture || part.prior == "mixture";
    categorical = categorical || part.prior == "categorical";
    parts.push_back(make_prior(part, setting));
  }
  if (mixture && categorical) {
    throw ConfigError(
        "option model.factors: a mixture does not go beside categories, since its KL would have to "
        "be estimated from draws that are relaxed; choose 'gaussian' in its place");
  }
  return std::make_shared<ProductPrior>(std::move(parts));
}

}  // namespace elbow
