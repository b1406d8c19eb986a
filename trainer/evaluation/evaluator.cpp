#include "trainer/evaluation/evaluator.h"

#include <cmath>
#include <limits>

#include "base/interval.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

constexpr std::size_t kSkippedNamed = 16;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// A row of the exchange: one image's figures, and the model's own behind them.
enum Column { kElbo, kReconstruction, kKl, kLogLikelihood, kEss, kVariance, kNotFinite, kColumns };

// Means and the spread of log p(x), image after image in one order. Spread by Welford's recurrence.
class Sums {
 public:
  explicit Sums(std::size_t own) : own_(own, 0.0) {}

  void add(const double* row) {
    ++count_;
    elbo_ += row[kElbo];
    reconstruction_ += row[kReconstruction];
    kl_ += row[kKl];
    ess_ += row[kEss];
    variance_ += row[kVariance];
    const double difference = row[kLogLikelihood] - mean_;
    mean_ += difference / static_cast<double>(count_);
    squares_ += difference * (row[kLogLikelihood] - mean_);
    for (std::size_t i = 0; i < own_.size(); ++i) own_[i] += row[kColumns + i];
  }

  Figures figures(std::int64_t samples, const std::vector<OwnFigure>& own) const {
    const auto n = static_cast<double>(count_);
    Figures figures;
    figures.count = count_;
    figures.samples = samples;
    figures.elbo = elbo_ / n;
    figures.reconstruction = reconstruction_ / n;
    figures.kl = kl_ / n;
    figures.log_likelihood = mean_;
    figures.standard_error = std::sqrt(squares_ / (n - 1) / n);
    figures.monte_carlo_error = std::sqrt(variance_) / n;
    figures.effective_sample_size = ess_ / n;
    for (std::size_t i = 0; i < own_.size(); ++i) figures.own.emplace_back(own[i], own_[i] / n);
    return figures;
  }

 private:
  std::int64_t count_ = 0;
  double elbo_ = 0, reconstruction_ = 0, kl_ = 0, ess_ = 0, variance_ = 0;
  double mean_ = 0, squares_ = 0;
  std::vector<double> own_;
};

// The columns of a block, [images] each, a figure without meaning filled with NaN.
std::vector<std::vector<double>> columns_of(BlockFigures figures, std::size_t images) {
  std::vector<std::vector<double>> columns(kColumns);
  columns[kElbo] = std::move(figures.elbo);
  columns[kReconstruction] = std::move(figures.reconstruction);
  columns[kKl] = std::move(figures.kl);
  columns[kLogLikelihood] = std::move(figures.log_likelihood);
  columns[kEss] = std::move(figures.effective_sample_size);
  columns[kVariance] = std::move(figures.log_likelihood_variance);
  columns[kNotFinite].assign(images, 0.0);
  for (auto& column : figures.own) columns.push_back(std::move(column));
  for (auto& column : columns) {
    if (column.empty()) column.assign(images, kNone);
  }
  return columns;
}

BlockFigures block_of(std::vector<std::vector<double>> columns) {
  BlockFigures figures;
  figures.elbo = std::move(columns[kElbo]);
  figures.reconstruction = std::move(columns[kReconstruction]);
  figures.kl = std::move(columns[kKl]);
  figures.log_likelihood = std::move(columns[kLogLikelihood]);
  figures.effective_sample_size = std::move(columns[kEss]);
  figures.log_likelihood_variance = std::move(columns[kVariance]);
  for (std::size_t i = kColumns; i < columns.size(); ++i) {
    figures.own.push_back(std::move(columns[i]));
  }
  return figures;
}

class Evaluation {
 public:
  explicit Evaluation(const EvaluationJob& job)
      : job_(job),
        estimation_{job.options.samples, job.options.marginal},
        own_(job.procedure.own_figures(estimation_)),
        width_(kColumns + static_cast<std::int64_t>(own_.size())),
        sums_(own_.size()) {}

  Figures run() {
    const BlockJob blocks{job_.comm,   job_.range,      job_.options.block, &job_.data,
                          job_.labels, Receivers::kAll, job_.progress};
    for_each_block(
        blocks, [this](const Batch& batch) { return BlockRows{compute(batch)}; },
        [this](auto indices, const BlockRows& rows) { collect(indices, rows[0]); });
    if (skipped_count_ == job_.range.count) {
      throw SharedError(fmt::format("every sample of {} was left out, as each holds a NaN or an "
                                    "infinity: there is nothing to evaluate",
                                    job_.data.name()),
                        ExitCode::kData);
    }
    Figures figures = sums_.figures(job_.options.samples, own_);
    figures.given_c = job_.conditioning.size() > 0;
    figures.missing_reason = job_.procedure.missing_figures_reason();
    figures.skipped = skipped_;
    figures.skipped_count = skipped_count_;
    return figures;
  }

 private:
  // [B, width_] in double. Samples that are not finite stay in it, so that the shape of the
  // computation does not depend on them.
  torch::Tensor compute(const Batch& batch) const {
    const RunNoise noise{job_.seed, 0, kEvaluationEpoch};
    const at::Device device = job_.procedure.parameters().at(0).device();
    Shard shard{job_.observation.x(batch, noise).to(device), batch.indices};
    shard.c = job_.conditioning.c(batch);
    if (shard.c.defined()) shard.c = shard.c.to(device);
    if (job_.rows) shard.rows = job_.rows(batch.indices).to(device);
    const auto columns =
        columns_of(job_.procedure.evaluate(shard, estimation_, noise), batch.indices.size());
    torch::Tensor figures = torch::zeros({batch.count(), width_}, torch::kDouble);
    auto rows = figures.accessor<double, 2>();
    for (std::int64_t column = 0; column < width_; ++column) {
      const auto& values = columns[static_cast<std::size_t>(column)];
      for (std::size_t i = 0; i < values.size(); ++i) {
        rows[static_cast<std::int64_t>(i)][column] = values[i];
      }
    }
    for (const std::int64_t i : batch.not_finite) rows[i][kNotFinite] = 1;
    return figures;
  }

  // Takes a block's figures [B, width_] into the sums, on every rank alike.
  void collect(std::span<const std::int64_t> indices, const torch::Tensor& figures) {
    const double* const rows = figures.const_data_ptr<double>();
    std::vector<std::vector<double>> columns(static_cast<std::size_t>(width_));
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const double* row = rows + static_cast<std::int64_t>(i) * width_;
      const bool finite = row[kNotFinite] == 0;
      if (finite) {
        sums_.add(row);
      } else {
        skip(indices[i]);
      }
      for (std::size_t column = 0; column < columns.size(); ++column) {
        columns[column].push_back(finite ? row[column] : kNone);
      }
    }
    if (job_.sink && job_.comm.rank() == 0) job_.sink(indices, block_of(std::move(columns)));
  }

  void skip(std::int64_t index) {
    if (!job_.skip_not_finite) {
      throw DataError(
          fmt::format("sample {} ({}) holds a NaN or an infinity; repair it, or leave such samples "
                      "out with --data.nan skip",
                      index, job_.data.row_name(index)));
    }
    ++skipped_count_;
    if (skipped_.size() < kSkippedNamed) skipped_.push_back(index);
  }

  const EvaluationJob& job_;
  const Estimation estimation_;
  const std::vector<OwnFigure> own_;
  const std::int64_t width_;  // of a row
  Sums sums_;
  std::vector<std::int64_t> skipped_;
  std::int64_t skipped_count_ = 0;
};

nlohmann::ordered_json number_or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

void declare(OptionTable& table, EvaluationOptions& options) {
  table.add("evaluation.samples", &options.samples,
            "draws of z an image for the importance-sampled log p(x)", between(1, 1e7));
  table.add("evaluation.validation_samples", &options.validation_samples,
            "the same for the validations during training", between(1, 1e7));
  table.add("evaluation.block", &options.block,
            "images evaluated at a time by one rank; part of the figures' last bits",
            between(1, 65536));
  table.add("evaluation.every", &options.every,
            "how often to evaluate the validation split: '1 epoch', '500 steps', '10 min'; 'never' "
            "leaves the one at the end",
            TextCheck(interval_problem));
  table
      .add("evaluation.patience", &options.patience,
           "stop after so many validations without a better ELBO; 0: never. More of it extends a "
           "run that was stopped so",
           at_least(0))
      .may_change = true;
}

Figures evaluate(const EvaluationJob& job) {
  torch::NoGradGuard no_grad;
  return Evaluation(job).run();
}

nlohmann::ordered_json to_json(const Figures& figures, const Observation& observation,
                               nlohmann::ordered_json about) {
  const std::string reason = observation.no_likelihood_reason();
  const auto claimed = [&](double value) {
    return reason.empty() ? number_or_null(value) : nlohmann::ordered_json(nullptr);
  };
  const auto bits = std::isfinite(figures.log_likelihood)
                        ? observation.bits_per_dim(figures.log_likelihood)
                        : std::nullopt;
  about["measure"] = observation.measure_text();
  if (!reason.empty()) about["no_likelihood"] = reason;
  if (!bits && figures.missing_reason.empty())
    about["no_bits_per_dim"] = "the data are not 8-bit or binary";
  if (!figures.missing_reason.empty()) about["missing"] = figures.missing_reason;
  if (figures.given_c) {
    about["given_c"] =
        "the model is conditioned on c: the figures are of x given c, and elbo bounds their "
        "log-likelihood";
  }
  if (figures.count < 2) about["no_standard_error"] = "one image has no spread";
  if (figures.skipped_count > 0) {
    about["skipped_not_finite"] = {{"count", figures.skipped_count}, {"first", figures.skipped}};
  }
  nlohmann::ordered_json json = {
      {"count", figures.count},
      {"samples", figures.samples},
      {"elbo", claimed(figures.elbo)},
      {"reconstruction", number_or_null(figures.reconstruction)},
      {"kl", number_or_null(figures.kl)},
      {likelihood_key("log_likelihood", figures.given_c), claimed(figures.log_likelihood)},
      {"standard_error", claimed(figures.standard_error)},
      {"monte_carlo_error", claimed(figures.monte_carlo_error)},
      {"effective_sample_size", claimed(figures.effective_sample_size)},
      {likelihood_key("bits_per_dim", figures.given_c),
       bits && reason.empty() ? nlohmann::ordered_json(*bits) : nlohmann::ordered_json(nullptr)}};
  for (const auto& [figure, value] : figures.own) {
    json[figure.name] = claimed(value);
    if (std::isinf(value)) about["no_" + figure.name] = figure.why_infinite;
  }
  json["about"] = std::move(about);
  return json;
}

}  // namespace elbow
