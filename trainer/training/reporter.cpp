#include "trainer/training/reporter.h"

#include <cmath>

#include "base/error.h"
#include "base/json_input.h"
#include "base/log.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// Keys of the record in a checkpoint, which is null at the beginning and in checkpoints of older
// versions.
constexpr const char* kWindow = "window";
constexpr const char* kEpoch = "epoch_sums";

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

Reporter::Reporter(const std::filesystem::path& metrics, std::vector<FigureKind> kinds,
                   const Interval& every, const Course& course, int ranks,
                   const TrainingRecord& start, const Json& earlier, const AtomicWrite& write)
    : metrics_(metrics, MetricsCut{start.step, start.validation_due ? "validation_elbo" : ""},
               write),
      kinds_(std::move(kinds)),
      every_(every),
      course_(course),
      ranks_(ranks),
      progress_(course.total_samples(), course.epochs(), start.samples),
      epochs_(kinds_, course.epochs(), find_object(earlier, kEpoch)),
      window_(StepSums(kinds_)) {
  const Json window = find_object(earlier, kWindow);
  if (!window.is_null()) window_.sums = StepSums(kinds_, window);
}

Json Reporter::to_json() const {
  return {{kWindow, window_.sums.to_json(kinds_)}, {kEpoch, epochs_.to_json()}};
}

void Reporter::step(const StepReport& report) {
  window_.sums.add(report);
  window_.seconds.data += report.seconds.data;
  window_.seconds.forward += report.seconds.forward;
  window_.seconds.backward += report.seconds.backward;
  window_.seconds.sum += report.seconds.sum;
  window_.seconds.optimizer += report.seconds.optimizer;
  window_.seconds.checkpoint += report.seconds.checkpoint;

  const bool epoch_ended = report.step % course_.steps_per_epoch() == 0;
  const IntervalPosition position{report.step, report.step / course_.steps_per_epoch(), epoch_ended,
                                  seconds_between(written_, Clock::now())};
  if (due(every_, position) || report.step == course_.steps()) write_window(report);
  tell(epochs_.step(report, epoch_ended));

  shown_.samples = report.samples;
  shown_.epoch = report.epoch + 1;
  if (report.count > 0) show(report);
  shown_.note.clear();
  progress_.update(shown_);
}

void Reporter::tell(const std::string& line) {
  if (line.empty()) return;
  progress_.clear();
  log::info("{}", line);
}

void Reporter::show(const StepReport& report) {
  shown_.figures.clear();
  for (std::size_t i = 0; i < kinds_.size(); ++i) {
    const double value = report.figures[i];
    // What is maximised is the ELBO for most.
    if (i == kObjectiveFigure && value == report.figures[kElboFigure]) continue;
    if (!std::isnan(value)) shown_.figures.push_back({kinds_[i].title, value, kinds_[i].unit});
  }
}

void Reporter::write_window(const StepReport& last) {
  const auto now = Clock::now();
  const StepSums& sums = window_.sums;
  if (sums.count() > 0) {
    MetricsFields figures = {{"step", last.step},
                             {"samples", last.samples},
                             {"stage", last.stage},
                             {"epoch", last.epoch}};
    for (std::size_t i = 0; i < kinds_.size(); ++i) {
      figures.emplace_back(kinds_[i].name, sums.mean(i));
    }
    figures.insert(figures.end(), {{"gradient_norm", last.gradient_norm},
                                   {"learning_rate", last.rate},
                                   {"skipped_samples", last.skipped_samples},
                                   {"skipped_steps", last.skipped_steps}});
    append(figures, {{"samples_per_second", sums.count() / seconds_between(written_, now)},
                     {"data_seconds", window_.seconds.data},
                     {"forward_seconds", window_.seconds.forward},
                     {"backward_seconds", window_.seconds.backward},
                     {"sum_seconds", window_.seconds.sum},
                     {"optimizer_seconds", window_.seconds.optimizer},
                     {"checkpoint_seconds", window_.seconds.checkpoint}});
  }
  window_ = Window(StepSums(kinds_));
  written_ = now;
}

void Reporter::validation(const ValidationReport& report) {
  const Figures& figures = report.figures;
  MetricsFields fields = {
      {"step", report.step},
      {"samples", report.samples},
      {"epoch", report.epoch},
      {"validation_count", figures.count},
      {"validation_elbo", figures.elbo},
      {"validation_reconstruction", figures.reconstruction},
      {"validation_kl", figures.kl},
      {likelihood_key("validation_log_likelihood", figures.given_c), figures.log_likelihood},
      {"validation_samples", figures.samples},
      {"best", std::int64_t{report.best}}};
  if (report.average) {
    fields.insert(fields.end(),
                  {{"validation_average_elbo", report.average->elbo},
                   {"validation_average_reconstruction", report.average->reconstruction},
                   {"validation_average_kl", report.average->kl},
                   {likelihood_key("validation_average_log_likelihood", figures.given_c),
                    report.average->log_likelihood}});
  }
  append(fields, {});
  tell(epochs_.validation(report));
  // The time of a validation is none of training's.
  written_ += Clock::now() - validating_since_;
}

void Reporter::validating() {
  validating_since_ = Clock::now();
  shown_.note = "evaluating";
  progress_.update(shown_);
}

void Reporter::finish() {
  tell(epochs_.finish());
  progress_.finish();
}

void Reporter::append(const MetricsFields& figures, MetricsFields time) {
  time.insert(time.begin(), {{"seconds", seconds_between(started_, Clock::now())},
                             {"ranks", std::int64_t{ranks_}}});
  try {
    metrics_.append(figures, time);
  } catch (const Error& error) {
    log::warning("{}; training continues, and its metrics are written when they can be",
                 error.what());
  }
}

}  // namespace elbow
