#include "trainer/model/pixelcnn.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "trainer/model/latent_model.h"
#include "trainer/model/pixelcnn_network.h"

namespace elbow {
namespace {

constexpr const char* kRaster = "raster";
constexpr const char* kColumns = "columns";

[[noreturn]] void refuse_code() {
  throw ConfigError(
      "option model.kind: a pixelcnn has no code to encode an image to or to decode; use a model "
      "with latent variables, for example 'vae'");
}

// x_i of [..., C, H, W].
torch::Tensor variable(const torch::Tensor& all, std::int64_t channel, std::int64_t row,
                       std::int64_t column) {
  return all.select(-1, column).select(-1, row).select(-1, channel);
}

}  // namespace

std::vector<std::string> ordering_names() { return {kRaster, kColumns}; }

PixelCnn::PixelCnn(Parts parts) : parts_(std::move(parts)) {
  register_module("network", parts_.network);
  register_module("likelihood", parts_.likelihood);
}

void PixelCnn::require_suitable(const Objective& objective) const {
  if (objective.kind == Objective::Kind::kElbo && objective.kl_weight == 1 &&
      objective.free_bits == 0) {
    return;
  }
  throw ConfigError(
      "options training.objective, training.beta, training.kl_warmup and training.free_bits: a "
      "pixelcnn maximises log p(x) itself and has no latent variables; leave them at their "
      "defaults");
}

// The network is given numbers from -1 to 1, whatever the alphabet.
torch::Tensor PixelCnn::conditionals(const torch::Tensor& x, const torch::Tensor& c) {
  ++evaluations_;
  const torch::Tensor input = x * (2 / parts_.largest) - 1;
  if (!parts_.by_columns) return parts_.network->forward(input, c);
  return parts_.network->forward(input.transpose(2, 3), c).transpose(3, 4);
}

Terms PixelCnn::terms(const Shard& shard, const RunNoise& /*noise*/, const Objective& objective) {
  require_fitting_shard(shard, objective.draws);
  const auto log_p = parts_.likelihood->log_density(shard.x, conditionals(shard.x, shard.c));
  return {log_p, log_p, log_p, {}};
}

BlockFigures PixelCnn::evaluate(const Shard& shard, const Estimation& estimation,
                                const RunNoise& noise) {
  torch::NoGradGuard no_grad;
  require_fitting_shard(shard, estimation.samples);
  const auto log_p = terms(shard, noise, {}).elbo.to(torch::kCPU, torch::kDouble).contiguous();
  const double* const values = log_p.const_data_ptr<double>();
  BlockFigures figures;
  figures.log_likelihood.assign(values, values + log_p.numel());
  figures.log_likelihood_variance.assign(figures.log_likelihood.size(), 0.0);
  return figures;
}

std::string PixelCnn::missing_figures_reason() const {
  return fmt::format(
      "log p(x{}) is exact: without latent variables there is no bound, no KL and no weights",
      parts_.conditioning.size() > 0 ? " given c" : "");
}

struct PixelCnn::Drawn {
  torch::Tensor x;             // [B, C, H, W]
  torch::Tensor conditionals;  // [B, P, C, H, W]
};

// The likelihood draws whole images, so that the noise of a variable is that of its place in x; of
// each only the variable whose turn it is is kept.
PixelCnn::Drawn PixelCnn::draw(std::span<const std::int64_t> indices, const torch::Tensor& c,
                               const NoiseKey& key) {
  const auto count = static_cast<std::int64_t>(indices.size());
  const std::int64_t channels = parts_.shape[0];
  const std::int64_t height = parts_.shape[1];
  const std::int64_t width = parts_.shape[2];
  const auto like = parameters().at(0).options().requires_grad(false);
  Drawn drawn;
  drawn.x = torch::zeros({count, channels, height, width}, like);
  drawn.conditionals = torch::zeros(
      {count, parts_.likelihood->parameters_per_variable(), channels, height, width}, like);
  for (std::int64_t i = 0; i < channels * height * width; ++i) {
    const std::int64_t channel = i % channels;
    const std::int64_t pixel = i / channels;
    const std::int64_t row = parts_.by_columns ? pixel % height : pixel / width;
    const std::int64_t column = parts_.by_columns ? pixel / height : pixel % width;
    // Rows (or columns) behind have no effect on those before them.
    const auto seen =
        parts_.by_columns ? drawn.x.narrow(3, 0, column + 1) : drawn.x.narrow(2, 0, row + 1);
    variable(drawn.conditionals, channel, row, column)
        .copy_(variable(conditionals(seen, c), channel, row, column));
    const auto all = parts_.likelihood->sample(drawn.conditionals, key, indices, 1);
    variable(drawn.x, channel, row, column).copy_(variable(all, channel, row, column));
  }
  return drawn;
}

std::int64_t PixelCnn::samples_at_once() const {
  constexpr std::int64_t kLargestActivation = 1 << 22;  // numbers
  std::int64_t largest = 0;
  for (const auto& layer : parts_.network->layers()) {
    largest = std::max(largest, c10::multiply_integers(layer.output));
  }
  return std::max<std::int64_t>(1, kLargestActivation / largest);
}

torch::Tensor PixelCnn::sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                               const RunNoise& noise, Show show) {
  torch::NoGradGuard no_grad;
  const auto like = parameters().at(0);
  const auto key = noise.key(Purpose::kSampling);
  const auto condition = c.defined() ? c.to(like.device(), like.scalar_type()) : c;
  const auto at_once = static_cast<std::size_t>(samples_at_once());
  std::vector<torch::Tensor> parts = {
      like.new_empty({0, parts_.shape[0], parts_.shape[1], parts_.shape[2]})};
  for (std::size_t begin = 0; begin < indices.size(); begin += at_once) {
    const auto some = indices.subspan(begin, std::min(at_once, indices.size() - begin));
    const auto given = condition.defined()
                           ? condition.narrow(0, static_cast<std::int64_t>(begin),
                                              static_cast<std::int64_t>(some.size()))
                           : condition;
    const auto drawn = draw(some, given, key);
    parts.push_back(show == Show::kMean ? parts_.likelihood->mean(drawn.conditionals) : drawn.x);
  }
  return torch::cat(parts);
}

Code PixelCnn::encode(const Shard& /*shard*/) { refuse_code(); }
torch::Tensor PixelCnn::decode(const torch::Tensor& /*z*/, const torch::Tensor& /*condition*/) {
  refuse_code();
}

nlohmann::ordered_json PixelCnn::architecture() const {
  return {{"network_input",
           "scale x - 1, rows and columns swapped where transposed, in the output as well"},
          {"scale", 2 / parts_.largest},
          {"transposed", parts_.by_columns}};
}

std::string PixelCnn::summary() const {
  const std::string given = parts_.conditioning.summary();
  return fmt::format("pixelcnn, {}, {}{}{}", parts_.by_columns ? "column by column" : "row by row",
                     parts_.likelihood->summary(), given.empty() ? "" : ", given ", given);
}

namespace {

// What x reaches; refuses what has no probability.
double largest_value(const ModelOptions& options, const Observation& observation) {
  const Measure measure = likelihood_kind(options.likelihood).measure;
  if (measure == Measure::kDensity) {
    throw ConfigError(fmt::format(
        "option model.likelihood: a pixelcnn gives each value its probability, and '{}' is a "
        "density of continuous data; use 'bernoulli' for pixels that are black or white, or "
        "'categorical' or 'discretised-logistic' for whole 8-bit values",
        options.likelihood));
  }
  const std::string reason = observation.no_likelihood_reason();
  if (!reason.empty()) {
    throw ConfigError("option data.values: a pixelcnn is there for its likelihood. " + reason);
  }
  const auto levels = static_cast<double>(observation.levels());
  return measure == Measure::kLevels ? (levels - 1) / levels : 1;
}

bool ordered_by_columns(const ModelOptions& options) {
  if (options.ordering == kColumns) return true;
  if (options.ordering == kRaster) return false;
  throw ConfigError(fmt::format("option model.ordering: there is no ordering '{}'; {}",
                                options.ordering, suggestion(options.ordering, ordering_names())));
}

}  // namespace

std::shared_ptr<Procedure> make_pixelcnn(const ModelOptions& options,
                                         const Observation& observation,
                                         const Conditioning& conditioning) {
  PixelCnn::Parts parts;
  parts.largest = largest_value(options, observation);
  parts.by_columns = ordered_by_columns(options);
  parts.shape = observation.shape();
  parts.likelihood = make_likelihood(options, observation);
  auto seen = parts.shape;
  if (parts.by_columns) std::swap(seen[1], seen[2]);
  parts.network = std::make_shared<PixelCnnNetwork>(
      seen, options.widths, parts.likelihood->parameters_per_variable(), conditioning.size());
  parts.conditioning = conditioning;
  return std::make_shared<PixelCnn>(std::move(parts));
}

}  // namespace elbow
