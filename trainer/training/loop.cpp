#include "trainer/training/loop.h"

#include <chrono>
#include <cmath>

#include "data/loader.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Runs `phase` and adds the time it took to `seconds`.
template <typename Phase>
auto timed(double& seconds, Phase phase) {
  const auto begin = Clock::now();
  struct AddTime {
    double& seconds;
    Clock::time_point begin;
    ~AddTime() { seconds += seconds_since(begin); }
  } add{seconds, begin};
  return phase();
}

// What the ranks sum beside the gradient at every step, and agree on (law 7): in this order in one
// tensor of doubles.
enum Shared { kElbo, kReconstruction, kKl, kCount, kNotFinite, kStop, kValidate, kShared };

class Loop {
 public:
  explicit Loop(const TrainingJob& job)
      : job_(job),
        parameters_(job.procedure),
        optimizer_(job.optimizer, parameters_.values()),
        course_(job.order.size(), job.training.batch, job.training.epochs),
        batches_(job.order, course_, job.comm.rank(), job.comm.size()),
        loader_(
            job.data, nullptr, [this] { return batches_.next(); }, kReadAhead) {}

  TrainingResult run() {
    job_.comm.broadcast(parameters_.values(), 0);
    while (result_.steps < course_.steps()) {
      const StepReport report = step(course_.at(result_.steps));
      if (job_.on_step) job_.on_step(report);
      const bool last = result_.steps == course_.steps();
      if (validation_agreed_ || (last && job_.validate)) validate(report);
      if (stop_agreed_ && !last) {
        result_.end = TrainingEnd::kSignal;
        break;
      }
      if (patience_lost()) {
        result_.end = TrainingEnd::kPatience;
        break;
      }
    }
    return result_;
  }

 private:
  static constexpr int kReadAhead = 3;  // batches

  StepReport step(const StepPlace& place) {
    StepReport report;
    auto& seconds = report.seconds;
    const Batch& batch = *timed(seconds.data, [&] { return loader_.next(); });
    if (job_.on_batch) job_.on_batch(batch);

    torch::Tensor shared = torch::zeros({kShared}, torch::kDouble);
    timed(seconds.compute, [&] { compute_gradient(batch, place.epoch, shared); });
    add_wishes(shared, place);
    timed(seconds.sum, [&] {
      job_.comm.all_reduce(shared, Reduction::kSum);
      job_.comm.all_reduce(parameters_.gradient(), Reduction::kSum);
    });
    read_agreement(shared, batch);

    result_.steps += 1;
    result_.samples += place.size();
    report.step = result_.steps;
    report.samples = result_.samples;
    report.epoch = place.epoch;
    report.skipped = result_.skipped;
    fill_terms(report, shared);
    if (report.count > 0) {
      timed(seconds.optimizer, [&] { update(report, place.size()); });
    }
    return report;
  }

  // Adds the terms of this rank's shard to `shared` and their gradient to the flat gradient.
  void compute_gradient(const Batch& batch, std::int64_t epoch, torch::Tensor& shared) {
    parameters_.zero_gradient();
    const RunNoise noise{static_cast<std::uint64_t>(job_.training.seed), 0,
                         static_cast<std::uint32_t>(epoch)};
    shared[kNotFinite] = static_cast<double>(batch.not_finite.size());
    if (batch.count() == static_cast<std::int64_t>(batch.not_finite.size())) return;
    torch::Tensor x = job_.observation.x(batch, noise);
    std::vector<std::int64_t> indices = batch.indices;
    if (!batch.not_finite.empty()) x = keep_finite(x, batch, indices);
    const Terms terms = job_.procedure.terms({x, indices}, noise, job_.training.draws);
    terms.objective.sum().neg().backward();
    shared[kElbo] = terms.elbo.sum(torch::kDouble);
    shared[kReconstruction] = terms.reconstruction.sum(torch::kDouble);
    shared[kKl] = terms.kl.sum(torch::kDouble);
    shared[kCount] = static_cast<double>(x.size(0));
  }

  static torch::Tensor keep_finite(const torch::Tensor& x, const Batch& batch,
                                   std::vector<std::int64_t>& indices) {
    std::vector<std::int64_t> rows;
    std::size_t next = 0;
    for (std::int64_t row = 0; row < batch.count(); ++row) {
      if (next < batch.not_finite.size() && batch.not_finite[next] == row) {
        ++next;
      } else {
        rows.push_back(row);
      }
    }
    indices.clear();
    for (const std::int64_t row : rows)
      indices.push_back(batch.indices[static_cast<std::size_t>(row)]);
    return x.index_select(0, torch::tensor(rows));
  }

  // What this rank would like the job to do after this step. Rank 0's clock decides for all.
  void add_wishes(torch::Tensor& shared, const StepPlace& place) {
    if (job_.stop_requested && job_.stop_requested()) shared[kStop] = 1.0;
    if (!job_.validate || job_.comm.rank() != 0) return;
    const bool epoch_ended = place.end == job_.order.size();
    const IntervalPosition position{result_.steps + 1, place.epoch + (epoch_ended ? 1 : 0),
                                    epoch_ended, seconds_since(validated_at_)};
    if (due(job_.validate_every, position)) shared[kValidate] = 1.0;
  }

  void read_agreement(const torch::Tensor& shared, const Batch& batch) {
    const double* value = shared.data_ptr<double>();
    stop_agreed_ = value[kStop] > 0;
    validation_agreed_ = value[kValidate] > 0;
    if (value[kNotFinite] > 0 && !job_.skip_not_finite) refuse_not_finite(batch);
    result_.skipped += static_cast<std::int64_t>(value[kNotFinite]);
    require_finite(value[kElbo], "ELBO");
  }

  // Every rank holds the same value, so all stop alike, before the parameters are touched.
  void require_finite(double value, const char* what) const {
    if (std::isfinite(value)) return;
    throw SharedError(fmt::format(
        "the {} became {} after {} steps: lower --optimizer.rate, set --training.clip, or give "
        "the rate an --optimizer.warmup",
        what, value, result_.steps));
  }

  // All ranks are here. The sample with the highest index among those found is named.
  [[noreturn]] void refuse_not_finite(const Batch& batch) {
    torch::Tensor found = torch::full({1}, std::int64_t{-1}, torch::kLong);
    for (const std::int64_t row : batch.not_finite) {
      found[0] = std::max(found.item<std::int64_t>(), batch.indices[static_cast<std::size_t>(row)]);
    }
    job_.comm.all_reduce(found, Reduction::kMax);
    const auto index = found.item<std::int64_t>();
    throw SharedError(
        fmt::format("sample {} ({}) holds a NaN or an infinity; repair it, or leave such samples "
                    "out with --data.nan skip",
                    index, job_.data.row_name(index)),
        ExitCode::kData);
  }

  static void fill_terms(StepReport& report, const torch::Tensor& shared) {
    const double* value = shared.data_ptr<double>();
    report.count = static_cast<std::int64_t>(value[kCount]);
    if (report.count == 0) return;
    report.elbo = value[kElbo] / value[kCount];
    report.reconstruction = value[kReconstruction] / value[kCount];
    report.kl = value[kKl] / value[kCount];
  }

  // Gradient of the mean, clipped by its global norm, into one step of the optimiser.
  void update(StepReport& report, std::int64_t batch) {
    const auto count = static_cast<double>(report.count);
    report.gradient_norm = gradient_norm(parameters_.gradient()) / count;
    require_finite(report.gradient_norm, "norm of the gradient");
    double divisor = count;
    const double clip = job_.training.clip;
    if (clip > 0 && report.gradient_norm > clip) divisor *= report.gradient_norm / clip;
    // The schedule at the middle of the batch: neither the first nor the last step is lost to a
    // rate of 0.
    const double seen = static_cast<double>(report.samples) - 0.5 * static_cast<double>(batch);
    const auto total = static_cast<double>(course_.total_samples());
    report.rate = learning_rate(job_.optimizer, seen, total,
                                job_.optimizer.warmup * static_cast<double>(job_.order.size()));
    optimizer_.step(parameters_.gradient(), divisor, report.rate);
  }

  void validate(const StepReport& step) {
    ValidationReport report{step.step, step.samples, step.epoch, job_.validate(), false};
    require_finite(report.figures.elbo, "ELBO of the validation");
    validated_at_ = Clock::now();
    report.best = !result_.best || report.figures.elbo > result_.best->figures.elbo;
    validations_without_gain_ = report.best ? 0 : validations_without_gain_ + 1;
    if (report.best) result_.best = report;
    if (job_.on_validation) job_.on_validation(report);
  }

  bool patience_lost() const {
    return job_.patience > 0 && validations_without_gain_ >= job_.patience;
  }

  const TrainingJob& job_;
  FlatParameters parameters_;
  Adam optimizer_;
  Course course_;
  RankBatches batches_;
  Loader loader_;
  TrainingResult result_;
  bool stop_agreed_ = false;
  bool validation_agreed_ = false;
  std::int64_t validations_without_gain_ = 0;
  Clock::time_point validated_at_ = Clock::now();
};

}  // namespace

TrainingResult train(const TrainingJob& job) { return Loop(job).run(); }

}  // namespace elbow
