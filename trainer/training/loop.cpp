#include "trainer/training/loop.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/log.h"
#include "data/loader.h"
#include "trainer/comm/together.h"
#include "trainer/training/gradient.h"
#include "trainer/training/timed.h"

namespace elbow {
namespace {

// What a validation is judged by: the ELBO, or log p(x) where it is exact and there is no bound.
double score(const Figures& figures) {
  return std::isnan(figures.elbo) ? figures.log_likelihood : figures.elbo;
}

constexpr int kReadAhead = 3;  // shards
// So many steps without an update, and nothing more is expected of the run.
constexpr std::int64_t kMostSkippedInARow = 100;
// How much the running mean of the gradient's norm keeps in each step, and how many steps it takes
// before it is believed.
constexpr double kNormDecay = 0.98;
constexpr std::int64_t kStepsToBelieve = 20;

class Loop {
 public:
  explicit Loop(const TrainingJob& job)
      : job_(job),
        state_(job.state),
        record_(job.state.record()),
        course_(job.order.size(), job.training, job.procedure.stages().size()),
        coordinator_(job.comm, job.schedule),
        gradient_(job_, course_) {}

  TrainingEnd run() {
    state_.share(job_.comm);
    note_saved();
    compare_replicas();
    if (job_.procedure.row_width() > 0) make_row_table();
    TrainingEnd end = run_stage();
    while (is_stage_over(end)) {
      take_row_moments();
      if (record_.stage + 1 == course_.stages()) break;
      begin_next_stage();
      end = run_stage();
    }
    compare_replicas();
    save();
    return end;
  }

 private:
  TrainingEnd run_stage() {
    const std::int64_t stage_end = course_.stage_begin(record_.stage + 1);
    RankShards shards(job_.order, course_, job_.training, job_.comm.rank(), job_.comm.size(),
                      record_.step);
    Loader loader(
        job_.data, job_.labels, [&] { return shards.next(); }, kReadAhead);
    gradient_.read_from(loader);
    if (record_.validation_due) validate();
    while (record_.step < stage_end) {
      if (patience_lost()) return TrainingEnd::kPatience;
      const Decisions decisions = step_and_agree();
      if (decisions.stop == Stop::kNo || record_.step == course_.steps()) continue;
      return decisions.stop == Stop::kSignal ? TrainingEnd::kSignal : TrainingEnd::kTimeLimit;
    }
    return TrainingEnd::kFinished;
  }

  static bool is_stage_over(TrainingEnd end) {
    return end == TrainingEnd::kFinished || end == TrainingEnd::kPatience;
  }

  // Steps that patience has saved are passed over, so that a step's place depends on nothing else.
  void begin_next_stage() {
    state_.begin_stage(record_.stage + 1);
    record_.step = course_.stage_begin(record_.stage);
    if (table_) table_->forget_past();
    if (job_.comm.rank() != 0) return;
    log::info("stage {} of {}: {}", record_.stage + 1, course_.stages(),
              job_.procedure.stages()[static_cast<std::size_t>(record_.stage)]);
  }

  void make_row_table() {
    table_ = std::make_unique<RowTable>(job_.comm, job_.data.size(), job_.procedure.row_width());
    gradient_.use_rows(*table_);
    together(job_.comm, [&] {
      if (!state_.resumed_from().empty()) {
        table_->restore(state_.resumed_from());
      } else {
        table_->initialise([&](std::span<const std::int64_t> indices) {
          return job_.procedure.initial_rows(indices, noise_at(job_.training, {}));
        });
      }
    });
  }

  // At steps that the course and the configuration name, since it changes parameters.
  void take_row_moments() {
    if (!table_ || !job_.procedure.wants_row_moments()) return;
    const RowMoments moments = table_->moments();
    if (moments.count == 0) return;
    job_.procedure.take_row_moments(moments.mean, moments.covariance);
    state_.follow_constants();
  }

  // A step, and what the ranks agree to do after it. Before a stop nothing else is done: time may
  // be short.
  Decisions step_and_agree() {
    const StepPlace place = course_.at(record_.step);
    const StepReport report = step(place);
    if (job_.on_step) job_.on_step(report);
    const bool epoch_ended = place.end == job_.order.size();
    const bool last = record_.step == course_.steps();
    const bool stage_over = record_.step == course_.stage_begin(place.stage + 1);
    const bool busy = job_.checkpoints != nullptr && job_.checkpoints->busy();
    Decisions decisions =
        coordinator_.agree({record_.step, place.epoch + (epoch_ended ? 1 : 0), epoch_ended, 0},
                           job_.stop_requested && job_.stop_requested(), busy);
    record_.validation_due =
        job_.validate && job_.procedure.is_validated() && (decisions.validate || stage_over);
    if (epoch_ended) take_row_moments();
    if (epoch_ended && job_.procedure.is_fitted()) {
      timed(between_steps_.evaluation,
            [&] { job_.procedure.fit(job_.over_training_set().reconstruction); });
    }
    if (decisions.stop != Stop::kNo && !last) return decisions;
    if (record_.validation_due) validate();
    if (decisions.compare) compare_replicas();
    if (job_.checkpoints != nullptr) go_on_saving(decisions);
    return decisions;
  }

  StepReport step(const StepPlace& place) {
    StepReport report;
    report.seconds = std::exchange(between_steps_, {});
    complete(report, place, gradient_.compute(place, report.seconds));
    report.queued = gradient_.queued();
    return report;
  }

  // From the sums over the job, the same on every rank, to the update, or to none.
  void complete(StepReport& report, const StepPlace& place, const BatchSums& sums) {
    if (sums.not_finite > 0 && !job_.skip_not_finite) gradient_.refuse_not_finite();
    record_.step += 1;
    record_.samples += place.size();
    record_.skipped_samples += static_cast<std::int64_t>(sums.not_finite);
    if (place.end == job_.order.size()) require_samples();
    report.step = record_.step;
    report.samples = record_.samples;
    report.stage = place.stage;
    report.epoch = place.epoch;
    report.skipped_samples = record_.skipped_samples;
    const double count = sums.count;
    if (count > 0) {
      const double norm = sums.bad_row_gradients > 0
                              ? std::numeric_limits<double>::quiet_NaN()
                              : gradient_norm(state_.parameters().gradient()) / count;
      if (record_.step == 1) warn_of_scale();
      if (is_fit(sums.figures[kObjectiveFigure], norm)) {
        report.count = static_cast<std::int64_t>(count);
        for (const double sum : sums.figures) report.figures.push_back(sum / count);
        report.gradient_norm = norm;
        timed(report.seconds.optimizer, [&] { update(report, place); });
      }
    }
    report.skipped_steps = record_.skipped_steps;
  }

  // At an epoch's end. Of a later epoch nothing else is to be expected.
  void require_samples() const {
    if (record_.skipped_samples < record_.samples) return;
    throw SharedError(
        fmt::format("every sample of {} was left out, as each holds a NaN or an infinity: there is "
                    "nothing to train on",
                    job_.data.name()),
        ExitCode::kData);
  }

  // Whether a step may update the parameters. One that is not counts as skipped, or ends the run.
  bool is_fit(double objective, double norm) {
    const bool finite = std::isfinite(objective) && std::isfinite(norm);
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
            : fmt::format("the {} is {}finite", std::isfinite(objective) ? "gradient" : "ELBO",
                          nothing_is_learned() ? "not " : "no longer ");
    record_.skipped_steps += 1;
    record_.skipped_in_a_row += 1;
    if (!spike && job_.training.not_finite == "stop") refuse_to_go_on(what, "");
    if (record_.skipped_in_a_row >= kMostSkippedInARow) {
      refuse_to_go_on(what, fmt::format(", {} steps in a row", kMostSkippedInARow));
    }
    if (job_.comm.rank() == 0) log::warning("step {} is skipped: {}", record_.step, what);
    return false;
  }

  void warn_of_scale() const {
    if (job_.comm.rank() != 0 || !gradient_.first_scale()) return;
    const std::string problem = scale_problem(*gradient_.first_scale(), job_.observation);
    if (!problem.empty()) log::warning("{}", problem);
  }

  // Before the first update: what is not finite is so for the data's sake.
  bool nothing_is_learned() const { return record_.stage == 0 && state_.optimizer().steps() == 0; }
  std::string first_remedy() const {
    if (!gradient_.first_scale()) return "";
    const std::string problem = scale_problem(*gradient_.first_scale(), job_.observation);
    if (!problem.empty()) return problem;
    return fmt::format(
        "{}; model.sigma must suit that, and outliers are shown by 'elbow data inspect'",
        to_text(*gradient_.first_scale()));
  }

  // Every rank holds the same values, so all stop alike, before the parameters are touched.
  [[noreturn]] void refuse_to_go_on(const std::string& what, const std::string& how_often) const {
    if (nothing_is_learned()) {
      throw SharedError(fmt::format("{} at step {}{}, before any update, so that no rate helps: {}",
                                    what, record_.step, how_often, first_remedy()));
    }
    throw SharedError(fmt::format(
        "{} at step {}{}: lower --optimizer.rate, set --training.clip, or give the rate an "
        "--optimizer.warmup; --training.not_finite skip leaves such steps out",
        what, record_.step, how_often));
  }

  // Gradient of the mean, clipped by its norm, into one step of the optimiser.
  void update(StepReport& report, const StepPlace& place) {
    auto divisor = static_cast<double>(report.count);
    const double clip = job_.training.clip;
    if (clip > 0 && report.gradient_norm > clip) divisor *= report.gradient_norm / clip;
    // The schedule at the middle of the batch: neither the first nor the last step is lost to a
    // rate of 0.
    report.rate = learning_rate(job_.optimizer, course_.seen_in_stage(place),
                                static_cast<double>(course_.stage_samples(place.stage)),
                                static_cast<double>(job_.order.size()));
    state_.optimizer().step(state_.parameters().gradient(), divisor, report.rate);
    gradient_.update_rows(row_step(report.rate));
    state_.follow();
  }

  // A row's objective is that of its own sample: its gradient is neither divided nor clipped.
  RowStep row_step(double rate) const {
    const OptimizerOptions& options = job_.optimizer;
    RowStep step{rate * row_rate(options) / options.rate, options.beta1, options.beta2,
                 options.epsilon};
    step.project = [this](torch::Tensor& rows) { job_.procedure.project_rows(rows); };
    return step;
  }

  void validate() {
    take_row_moments();
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
    if (!std::isfinite(score(report.figures))) {
      refuse_to_go_on("the ELBO of the validation is no longer finite", "");
    }
    report.best = !record_.best || score(report.figures) > score(record_.best->figures);
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
    if (table_) {
      for (StateFile& file : table_->files()) files.push_back(std::move(file));
    }
    job_.checkpoints->begin(std::move(manifest), std::move(files));
  }

  // What a run resumes from is on disk, unless a validation that is due will change it.
  void note_saved() {
    if (state_.resumed_from().empty() || record_.validation_due) return;
    saved_step_ = record_.step;
    saved_well_ = true;
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
  BatchGradient gradient_;
  std::unique_ptr<RowTable> table_;  // of a model whose samples have parameters of their own
  StepReport::Seconds between_steps_;
  bool save_wanted_ = false;
  std::int64_t saved_step_ = -1;
  bool saved_well_ = false;
};

}  // namespace

TrainingEnd train(const TrainingJob& job) { return Loop(job).run(); }

}  // namespace elbow
