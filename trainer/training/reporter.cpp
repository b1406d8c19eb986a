#include "trainer/training/reporter.h"

#include <cmath>
#include <limits>

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
                   const Course& course, int ranks, const TrainingRecord& start,
                   const nlohmann::ordered_json& earlier)
    : metrics_(metrics, MetricsCut{start.step, start.validation_due ? "validation_elbo" : ""}),
      every_(every),
      course_(course),
      ranks_(ranks),
      progress_(course.total_samples(), course.epochs(), start.samples) {
  if (!earlier.is_object()) return;
  const auto number = [&](const char* name) {
    const auto& value = earlier.at(name);
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  };
  window_.count = number("count");
  window_.objective = number("objective");
  window_.elbo = number("elbo");
  window_.reconstruction = number("reconstruction");
  window_.kl = number("kl");
}

// A figure that has no meaning for the model is NaN, and null in JSON.
nlohmann::ordered_json Reporter::to_json() const {
  return {{"count", window_.count},
          {"objective", window_.objective},
          {"elbo", window_.elbo},
          {"reconstruction", window_.reconstruction},
          {"kl", window_.kl}};
}

void Reporter::step(const StepReport& report) {
  const auto count = static_cast<double>(report.count);
  window_.count += count;
  window_.objective += report.objective * count;
  window_.elbo += report.elbo * count;
  window_.reconstruction += report.reconstruction * count;
  window_.kl += report.kl * count;
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

  shown_.samples = report.samples;
  shown_.epoch = report.epoch + 1;
  shown_.epoch_ended = epoch_ended;
  if (report.count > 0) {
    shown_.figures.clear();
    if (report.objective != report.elbo) show("objective", report.objective);
    show("ELBO", report.elbo);
    show("reconstruction", report.reconstruction);
    show("KL", report.kl);
  }
  shown_.note.clear();
  progress_.update(shown_);
}

void Reporter::show(const char* name, double value) {
  if (!std::isnan(value)) shown_.figures.push_back({name, value, "nats"});
}

void Reporter::write_window(const StepReport& last) {
  const auto now = Clock::now();
  if (window_.count > 0) {
    append({{"step", last.step},
            {"samples", last.samples},
            {"stage", last.stage},
            {"epoch", last.epoch},
            {"objective", window_.objective / window_.count},
            {"elbo", window_.elbo / window_.count},
            {"reconstruction", window_.reconstruction / window_.count},
            {"kl", window_.kl / window_.count},
            {"gradient_norm", last.gradient_norm},
            {"learning_rate", last.rate},
            {"skipped_samples", last.skipped_samples},
            {"skipped_steps", last.skipped_steps}},
           {{"samples_per_second", window_.count / seconds_between(written_, now)},
            {"data_seconds", window_.seconds.data},
            {"forward_seconds", window_.seconds.forward},
            {"backward_seconds", window_.seconds.backward},
            {"sum_seconds", window_.seconds.sum},
            {"optimizer_seconds", window_.seconds.optimizer},
            {"checkpoint_seconds", window_.seconds.checkpoint}});
  }
  window_ = {};
  written_ = now;
}

void Reporter::validation(const ValidationReport& report) {
  const Figures& figures = report.figures;
  MetricsFields fields = {{"step", report.step},
                          {"samples", report.samples},
                          {"epoch", report.epoch},
                          {"validation_count", figures.count},
                          {"validation_elbo", figures.elbo},
                          {"validation_reconstruction", figures.reconstruction},
                          {"validation_kl", figures.kl},
                          {"validation_log_likelihood", figures.log_likelihood},
                          {"validation_samples", figures.samples},
                          {"best", std::int64_t{report.best}}};
  if (report.average) {
    fields.insert(fields.end(),
                  {{"validation_average_elbo", report.average->elbo},
                   {"validation_average_reconstruction", report.average->reconstruction},
                   {"validation_average_kl", report.average->kl},
                   {"validation_average_log_likelihood", report.average->log_likelihood}});
  }
  append(fields, {});
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
