#include "trainer/training/loop.h"

#include <chrono>
#include <cmath>

#include "base/log.h"
#include "data/loader.h"
#include "trainer/comm/reducer.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;

// Runs `phase` and adds the time it took to `seconds`.
template <typename Phase>
auto timed(double& seconds, Phase phase) {
  struct AddTime {
    double& seconds;
    Clock::time_point begin = Clock::now();
    ~AddTime() { seconds += std::chrono::duration<double>(Clock::now() - begin).count(); }
  } add{seconds};
  return phase();
}

// What the shards contribute beside their gradient, in one tensor of doubles.
enum Figure { kElbo, kReconstruction, kKl, kCount, kNotFinite, kFigures };

constexpr int kReadAhead = 3;  // shards
// So many steps without an update, and nothing more is expected of the run.
constexpr std::int64_t kMostSkippedInARow = 100;
// Of the running mean of the gradient's norm, and the steps it takes before it is believed.
constexpr double kNormDecay = 0.98;
constexpr std::int64_t kStepsToBelieve = 20;

class Loop {
 public:
  explicit Loop(const TrainingJob& job)
      : job_(job),
        state_(job.state),
        record_(job.state.record()),
        course_(job.order.size(), job.training.batch, job.training.epochs),
        coordinator_(job.comm, job.schedule) {
    torch::Tensor& gradient = state_.parameters().gradient();
    reducer_ = job.training.sum == "reproducible"
                   ? make_reproducible_reducer(job.comm, gradient, kFigures)
                   : make_fast_reducer(job.comm, gradient, kFigures);
  }

  TrainingEnd run() {
    state_.share(job_.comm);
    compare_replicas();
    RankShards shards(job_.order, course_, job_.training, job_.comm.rank(), job_.comm.size(),
                      record_.step);
    Loader loader(
        job_.data, nullptr, [&] { return shards.next(); }, kReadAhead);
    loader_ = &loader;
    if (record_.validation_due) validate();
    TrainingEnd end = TrainingEnd::kFinished;
    while (record_.step < course_.steps()) {
      if (patience_lost()) {
        end = TrainingEnd::kPatience;
        break;
      }
      const Decisions decisions = step_and_agree();
      if (decisions.stop != Stop::kNo && record_.step < course_.steps()) {
        end = decisions.stop == Stop::kSignal ? TrainingEnd::kSignal : TrainingEnd::kTimeLimit;
        break;
      }
    }
    compare_replicas();
    save();
    return end;
  }

 private:
  // A step, and what the ranks agree to do after it. Before a stop nothing else is done: time may
  // be short.
  Decisions step_and_agree() {
    const StepPlace place = course_.at(record_.step);
    const StepReport report = step(place);
    if (job_.on_step) job_.on_step(report);
    const bool epoch_ended = place.end == job_.order.size();
    const bool last = record_.step == course_.steps();
    const bool busy = job_.checkpoints != nullptr && job_.checkpoints->busy();
    Decisions decisions =
        coordinator_.agree({record_.step, place.epoch + (epoch_ended ? 1 : 0), epoch_ended, 0},
                           job_.stop_requested && job_.stop_requested(), busy);
    record_.validation_due = job_.validate && (decisions.validate || last);
    if (decisions.stop != Stop::kNo && !last) return decisions;
    if (record_.validation_due) validate();
    if (decisions.compare) compare_replicas();
    if (job_.checkpoints != nullptr) go_on_saving(decisions);
    return decisions;
  }

  StepReport step(const StepPlace& place) {
    StepReport report;
    report.seconds = std::exchange(between_steps_, {});
    const std::vector<ShardRange> plan = plan_batch(
        place.size(), shard_count(job_.training, place.size(), job_.comm.size()), job_.comm.size());
    reducer_->begin(owners_of(plan));
    not_finite_ = -1;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      if (plan[i].rank != job_.comm.rank() || plan[i].size() == 0) continue;
      const torch::Tensor figures = compute_shard(place.epoch, report.seconds);
      timed(report.seconds.sum, [&] { reducer_->add(static_cast<std::int64_t>(i), figures); });
    }
    const torch::Tensor sums = timed(report.seconds.sum, [&] { return reducer_->finish(); });
    complete(report, place, sums.data_ptr<double>());
    report.queued = loader_->queued();
    return report;
  }

  ShardOwners owners_of(const std::vector<ShardRange>& plan) const {
    ShardOwners first(static_cast<std::size_t>(job_.comm.size()) + 1, 0);
    for (const ShardRange& shard : plan) ++first[static_cast<std::size_t>(shard.rank) + 1];
    for (std::size_t rank = 1; rank < first.size(); ++rank) first[rank] += first[rank - 1];
    return first;
  }

  // Adds the gradient of this rank's next shard to the flat gradient. Its figures.
  torch::Tensor compute_shard(std::int64_t epoch, StepReport::Seconds& seconds) {
    const Batch& batch = *timed(seconds.data, [&] { return loader_->next(); });
    if (job_.on_shard) job_.on_shard(batch);
    torch::Tensor figures = torch::zeros({kFigures}, torch::kDouble);
    double* figure = figures.data_ptr<double>();
    figure[kNotFinite] = static_cast<double>(batch.not_finite.size());
    for (const std::int64_t row : batch.not_finite) {
      not_finite_ = std::max(not_finite_, batch.indices[static_cast<std::size_t>(row)]);
    }
    if (batch.count() == static_cast<std::int64_t>(batch.not_finite.size())) return figures;

    const Terms terms = timed(seconds.forward, [&] {
      const RunNoise noise{static_cast<std::uint64_t>(job_.training.seed), 0,
                           static_cast<std::uint32_t>(epoch)};
      torch::Tensor x = job_.observation.x(batch, noise).to(state_.parameters().values().device());
      std::vector<std::int64_t> indices = batch.indices;
      if (!batch.not_finite.empty()) x = keep_finite(x, batch, indices);
      figure[kCount] = static_cast<double>(x.size(0));
      return job_.procedure.terms({x, indices}, noise, job_.training.draws);
    });
    timed(seconds.backward, [&] { terms.objective.sum().neg().backward(); });
    figure[kElbo] = terms.elbo.sum(torch::kDouble).item<double>();
    figure[kReconstruction] = terms.reconstruction.sum(torch::kDouble).item<double>();
    figure[kKl] = terms.kl.sum(torch::kDouble).item<double>();
    return figures;
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
    return x.index_select(0, torch::tensor(rows, torch::kLong).to(x.device()));
  }

  // From the sums over the job, the same on every rank, to the update, or to none.
  void complete(StepReport& report, const StepPlace& place, const double* sum) {
    if (sum[kNotFinite] > 0 && !job_.skip_not_finite) refuse_not_finite();
    record_.step += 1;
    record_.samples += place.size();
    record_.skipped_samples += static_cast<std::int64_t>(sum[kNotFinite]);
    report.step = record_.step;
    report.samples = record_.samples;
    report.epoch = place.epoch;
    report.skipped_samples = record_.skipped_samples;
    const double count = sum[kCount];
    if (count > 0) {
      const double norm = gradient_norm(state_.parameters().gradient()) / count;
      if (is_fit(sum[kElbo], norm)) {
        report.count = static_cast<std::int64_t>(count);
        report.elbo = sum[kElbo] / count;
        report.reconstruction = sum[kReconstruction] / count;
        report.kl = sum[kKl] / count;
        report.gradient_norm = norm;
        timed(report.seconds.optimizer, [&] { update(report, place.size()); });
      }
    }
    report.skipped_steps = record_.skipped_steps;
  }

  // Whether a step may update the parameters. One that is not counts as skipped, or ends the run.
  bool is_fit(double elbo, double norm) {
    const bool finite = std::isfinite(elbo) && std::isfinite(norm);
    const double limit = job_.training.spike * record_.usual_norm;
    const bool spike = limit > 0 && state_.optimizer().steps() >= kStepsToBelieve && norm > limit;
    if (finite && !spike) {
      const bool first = state_.optimizer().steps() == 0;
      record_.usual_norm = first ? norm : kNormDecay * record_.usual_norm + (1 - kNormDecay) * norm;
      record_.skipped_in_a_row = 0;
      return true;
    }
    const std::string what =
        spike && finite
            ? fmt::format("the gradient is {:.3g} long, usual is {:.3g}", norm, record_.usual_norm)
            : fmt::format("the {} is no longer finite", std::isfinite(elbo) ? "gradient" : "ELBO");
    record_.skipped_steps += 1;
    record_.skipped_in_a_row += 1;
    if (!spike && job_.training.not_finite == "stop") refuse_to_go_on(what, "");
    if (record_.skipped_in_a_row >= kMostSkippedInARow) {
      refuse_to_go_on(what, fmt::format(", {} steps in a row", kMostSkippedInARow));
    }
    if (job_.comm.rank() == 0) log::warning("step {} is skipped: {}", record_.step, what);
    return false;
  }

  // Every rank holds the same values, so all stop alike, before the parameters are touched.
  [[noreturn]] void refuse_to_go_on(const std::string& what, const std::string& how_often) const {
    throw SharedError(fmt::format(
        "{} at step {}{}: lower --optimizer.rate, set --training.clip, or give the rate an "
        "--optimizer.warmup; --training.not_finite skip leaves such steps out",
        what, record_.step, how_often));
  }

  // All ranks are here. The sample with the highest index among those found is named.
  [[noreturn]] void refuse_not_finite() {
    torch::Tensor found = torch::full({1}, not_finite_, torch::kLong);
    job_.comm.all_reduce(found, Reduction::kMax);
    const auto index = found.item<std::int64_t>();
    throw SharedError(
        fmt::format("sample {} ({}) holds a NaN or an infinity; repair it, or leave such samples "
                    "out with --data.nan skip",
                    index, job_.data.row_name(index)),
        ExitCode::kData);
  }

  // Gradient of the mean, clipped by its norm, into one step of the optimiser.
  void update(StepReport& report, std::int64_t batch) {
    auto divisor = static_cast<double>(report.count);
    const double clip = job_.training.clip;
    if (clip > 0 && report.gradient_norm > clip) divisor *= report.gradient_norm / clip;
    // The schedule at the middle of the batch: neither the first nor the last step is lost to a
    // rate of 0.
    const double seen = static_cast<double>(report.samples) - 0.5 * static_cast<double>(batch);
    report.rate = learning_rate(job_.optimizer, seen, static_cast<double>(course_.total_samples()),
                                static_cast<double>(job_.order.size()));
    state_.optimizer().step(state_.parameters().gradient(), divisor, report.rate);
    state_.follow();
  }

  void validate() {
    ValidationReport report;
    report.step = record_.step;
    report.samples = record_.samples;
    report.epoch = course_.at(record_.step - 1).epoch;
    timed(between_steps_.evaluation, [&] {
      report.figures = job_.validate();
      if (state_.has_average()) {
        state_.with_average([&] { report.average = job_.validate(); });
      }
    });
    if (!std::isfinite(report.figures.elbo)) {
      refuse_to_go_on("the ELBO of the validation is no longer finite", "");
    }
    report.best = !record_.best || report.figures.elbo > record_.best->figures.elbo;
    record_.validations_without_gain = report.best ? 0 : record_.validations_without_gain + 1;
    record_.validation_due = false;
    if (report.best) {
      record_.best = report;
      if (job_.comm.rank() == 0) state_.keep_best();
    }
    if (job_.on_validation) job_.on_validation(report);
  }

  bool patience_lost() const {
    return job_.patience > 0 && record_.validations_without_gain >= job_.patience;
  }

  void compare_replicas() {
    require_same_replicas(job_.comm, state_.replicated(),
                          fmt::format("after {} steps", record_.step));
  }

  // Brings what is in the making a phase further, once no rank is busy with it; begins anew when
  // that is due.
  void go_on_saving(const Decisions& decisions) {
    timed(between_steps_.checkpoint, [&] {
      if (job_.checkpoints->in_the_making() && !decisions.any_busy) {
        report_checkpoint(job_.checkpoints->advance());
      }
      save_wanted_ = save_wanted_ || decisions.save;
      if (save_wanted_ && !job_.checkpoints->in_the_making()) begin_saving();
    });
  }

  void begin_saving() {
    save_wanted_ = false;
    saved_step_ = record_.step;
    Manifest manifest = job_.manifest;
    manifest.step = record_.step;
    std::vector<StateFile> files;
    if (job_.comm.rank() == 0) {  // the replicas are alike
      manifest.record = to_json(record_);
      if (job_.record_beside) manifest.record.update(job_.record_beside());
      files = state_.files();
    }
    job_.checkpoints->begin(std::move(manifest), std::move(files));
  }

  // The state as it is now, on disk.
  void save() {
    if (job_.checkpoints == nullptr) return;
    report_checkpoint(job_.checkpoints->finish());
    if (saved_step_ == record_.step && saved_well_) return;
    begin_saving();
    report_checkpoint(job_.checkpoints->finish());
  }

  void report_checkpoint(const std::optional<CheckpointOutcome>& outcome) {
    if (!outcome) return;
    saved_well_ = outcome->problem.empty();
    if (job_.on_checkpoint) job_.on_checkpoint(*outcome);
  }

  const TrainingJob& job_;
  TrainingState& state_;
  TrainingRecord& record_;
  Course course_;
  Coordinator coordinator_;
  std::unique_ptr<Reducer> reducer_;
  Loader* loader_ = nullptr;
  std::int64_t not_finite_ = -1;  // highest index found by this rank in this step
  StepReport::Seconds between_steps_;
  bool save_wanted_ = false;
  std::int64_t saved_step_ = -1;
  bool saved_well_ = false;
};

}  // namespace

TrainingEnd train(const TrainingJob& job) { return Loop(job).run(); }

}  // namespace elbow
