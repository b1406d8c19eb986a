#include "trainer/training/reporter.h"

#include "base/error.h"
#include "base/log.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

Reporter::Reporter(const std::filesystem::path& metrics, const Interval& every,
                   const Course& course, std::int64_t epochs, int ranks)
    : metrics_(metrics),
      every_(every),
      course_(course),
      ranks_(ranks),
      progress_(course.total_samples(), epochs) {}

void Reporter::step(const StepReport& report) {
  const auto count = static_cast<double>(report.count);
  window_.steps += 1;
  window_.count += count;
  window_.elbo += report.elbo * count;
  window_.reconstruction += report.reconstruction * count;
  window_.kl += report.kl * count;
  window_.seconds.data += report.seconds.data;
  window_.seconds.compute += report.seconds.compute;
  window_.seconds.sum += report.seconds.sum;
  window_.seconds.optimizer += report.seconds.optimizer;

  const bool epoch_ended = report.step % course_.steps_per_epoch() == 0;
  const IntervalPosition position{report.step, report.step / course_.steps_per_epoch(), epoch_ended,
                                  seconds_between(written_, Clock::now())};
  if (due(every_, position) || report.step == course_.steps()) write_window(report);

  shown_.samples = report.samples;
  shown_.epoch = report.epoch + 1;
  shown_.epoch_ended = epoch_ended;
  if (report.count > 0) {
    shown_.figures = {{"ELBO", report.elbo, "nats"},
                      {"reconstruction", report.reconstruction, "nats"},
                      {"KL", report.kl, "nats"}};
  }
  shown_.note.clear();
  progress_.update(shown_);
}

void Reporter::write_window(const StepReport& last) {
  const auto now = Clock::now();
  if (window_.count > 0) {
    append({{"step", last.step},
            {"samples", last.samples},
            {"epoch", last.epoch},
            {"elbo", window_.elbo / window_.count},
            {"reconstruction", window_.reconstruction / window_.count},
            {"kl", window_.kl / window_.count},
            {"gradient_norm", last.gradient_norm},
            {"learning_rate", last.rate},
            {"skipped_samples", last.skipped}},
           {{"samples_per_second", window_.count / seconds_between(written_, now)},
            {"data_seconds", window_.seconds.data},
            {"compute_seconds", window_.seconds.compute},
            {"sum_seconds", window_.seconds.sum},
            {"optimizer_seconds", window_.seconds.optimizer}});
  }
  window_ = {};
  written_ = now;
}

void Reporter::validation(const ValidationReport& report) {
  const Figures& figures = report.figures;
  append({{"step", report.step},
          {"samples", report.samples},
          {"epoch", report.epoch},
          {"validation_count", figures.count},
          {"validation_elbo", figures.elbo},
          {"validation_reconstruction", figures.reconstruction},
          {"validation_kl", figures.kl},
          {"validation_log_likelihood", figures.log_likelihood},
          {"validation_samples", figures.samples},
          {"best", std::int64_t{report.best}}},
         {});
  // The time of a validation is none of training's.
  written_ += Clock::now() - validating_since_;
}

void Reporter::validating() {
  validating_since_ = Clock::now();
  shown_.note = "evaluating";
  progress_.update(shown_);
}

void Reporter::append(const MetricsFields& figures, MetricsFields time) {
  time.insert(time.begin(), {{"seconds", seconds_between(started_, Clock::now())},
                             {"ranks", std::int64_t{ranks_}}});
  try {
    metrics_.append(figures, time);
  } catch (const Error& error) {
    log::warning("{}; training goes on without its metrics file", error.what());
  }
}

}  // namespace elbow
