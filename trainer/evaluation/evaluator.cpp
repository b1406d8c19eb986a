#include "trainer/evaluation/evaluator.h"

#include <cmath>
#include <limits>

#include "base/interval.h"
#include "data/loader.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

constexpr std::size_t kSkippedNamed = 16;

// A row of the exchange: one image's figures.
enum Column { kElbo, kReconstruction, kKl, kLogLikelihood, kEss, kVariance, kNotFinite, kColumns };

// Means and the spread of log p(x), image after image in one order. Spread by Welford's recurrence.
class Sums {
 public:
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
  }

  Figures figures(std::int64_t samples) const {
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
    return figures;
  }

 private:
  std::int64_t count_ = 0;
  double elbo_ = 0, reconstruction_ = 0, kl_ = 0, ess_ = 0, variance_ = 0;
  double mean_ = 0, squares_ = 0;
};

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

class Evaluation {
 public:
  explicit Evaluation(const EvaluationJob& job)
      : job_(job),
        block_(job.options.block),
        blocks_(ceil_divide(job.range.count, job.options.block)) {}

  Figures run() {
    const int rank = job_.comm.rank();
    const int ranks = job_.comm.size();
    Loader loader(
        job_.data, nullptr,
        [this, next = std::int64_t{rank}, ranks]() mutable {
          const std::int64_t block = next;
          next += ranks;
          return block < blocks_ ? std::optional(indices(block)) : std::nullopt;
        },
        2);
    const std::int64_t rounds = ceil_divide(blocks_, ranks);
    for (std::int64_t round = 0; round < rounds; ++round) {
      torch::Tensor mine = torch::zeros({block_, kColumns}, torch::kDouble);
      if (round * ranks + rank < blocks_) compute(*loader.next(), mine);
      const torch::Tensor all = job_.comm.all_gather(mine);
      for (int r = 0; r < ranks && round * ranks + r < blocks_; ++r) {
        collect(round * ranks + r, all[r].data_ptr<double>());
      }
      if (job_.progress && rank == 0) {
        job_.progress(std::min(job_.range.count, (round + 1) * ranks * block_));
      }
    }
    Figures figures = sums_.figures(job_.options.samples);
    figures.skipped = skipped_;
    figures.skipped_count = skipped_count_;
    return figures;
  }

 private:
  std::vector<std::int64_t> indices(std::int64_t block) const {
    std::vector<std::int64_t> result;
    const std::int64_t end = std::min(job_.range.count, (block + 1) * block_);
    for (std::int64_t i = block * block_; i < end; ++i) result.push_back(job_.range.index_of(i));
    return result;
  }

  // Rows of `figures` [block, kColumns] for a block of this rank. Samples that are not finite stay
  // in it, so that the shape of the computation does not depend on them.
  void compute(const Batch& batch, torch::Tensor& figures) const {
    const RunNoise noise{job_.seed, 0, kEvaluationEpoch};
    const torch::Tensor x =
        job_.observation.x(batch, noise).to(job_.procedure.parameters().at(0).device());
    const BlockFigures block =
        job_.procedure.evaluate({x, batch.indices}, job_.options.samples, noise);
    auto rows = figures.accessor<double, 2>();
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      auto row = rows[static_cast<std::int64_t>(i)];
      row[kElbo] = block.elbo[i];
      row[kReconstruction] = block.reconstruction[i];
      row[kKl] = block.kl[i];
      row[kLogLikelihood] = block.log_likelihood[i];
      row[kEss] = block.effective_sample_size[i];
      row[kVariance] = block.log_likelihood_variance[i];
    }
    for (const std::int64_t i : batch.not_finite) rows[i][kNotFinite] = 1;
  }

  // Takes a block's rows into the sums, on every rank alike.
  void collect(std::int64_t block, const double* rows) {
    const std::vector<std::int64_t> block_indices = indices(block);
    BlockFigures figures;
    for (std::size_t i = 0; i < block_indices.size(); ++i) {
      const double* row = rows + i * kColumns;
      const bool finite = row[kNotFinite] == 0;
      if (finite) {
        sums_.add(row);
      } else {
        skip(block_indices[i]);
      }
      constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
      figures.elbo.push_back(finite ? row[kElbo] : kNone);
      figures.reconstruction.push_back(finite ? row[kReconstruction] : kNone);
      figures.kl.push_back(finite ? row[kKl] : kNone);
      figures.log_likelihood.push_back(finite ? row[kLogLikelihood] : kNone);
      figures.effective_sample_size.push_back(finite ? row[kEss] : kNone);
      figures.log_likelihood_variance.push_back(finite ? row[kVariance] : kNone);
    }
    if (job_.sink && job_.comm.rank() == 0) job_.sink(block_indices, figures);
  }

  void skip(std::int64_t index) {
    if (!job_.skip_not_finite) {
      throw SharedError(
          fmt::format("sample {} ({}) holds a NaN or an infinity; repair it, or leave such samples "
                      "out with --data.nan skip",
                      index, job_.data.row_name(index)),
          ExitCode::kData);
    }
    ++skipped_count_;
    if (skipped_.size() < kSkippedNamed) skipped_.push_back(index);
  }

  const EvaluationJob& job_;
  const std::int64_t block_;
  const std::int64_t blocks_;
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
  table.add("evaluation.patience", &options.patience,
            "stop after so many validations without a better ELBO; 0: never", at_least(0));
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
  const auto bits = observation.bits_per_dim(figures.log_likelihood);
  about["measure"] = observation.measure();
  if (!reason.empty()) about["no_likelihood"] = reason;
  if (!bits) about["no_bits_per_dim"] = "the data are not 8-bit or binary";
  if (figures.count < 2) about["no_standard_error"] = "one image has no spread";
  if (figures.skipped_count > 0) {
    about["skipped_not_finite"] = {{"count", figures.skipped_count}, {"first", figures.skipped}};
  }
  return {{"count", figures.count},
          {"samples", figures.samples},
          {"elbo", claimed(figures.elbo)},
          {"reconstruction", number_or_null(figures.reconstruction)},
          {"kl", number_or_null(figures.kl)},
          {"log_likelihood", claimed(figures.log_likelihood)},
          {"standard_error", claimed(figures.standard_error)},
          {"monte_carlo_error", claimed(figures.monte_carlo_error)},
          {"effective_sample_size", claimed(figures.effective_sample_size)},
          {"bits_per_dim", bits && reason.empty() ? nlohmann::ordered_json(*bits)
                                                  : nlohmann::ordered_json(nullptr)},
          {"about", std::move(about)}};
}

}  // namespace elbow
