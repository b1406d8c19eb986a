#include "monitoring/metric_families.h"

#include <algorithm>
#include <string>

#include "monitoring/label.h"

namespace elbow {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::size_t kMostInfoLabels = 32;

class FamilyList {
 public:
  explicit FamilyList(const MetricsIdentity& identity)
      : common_{{"run", label_value(identity.run)}, {"rank", std::to_string(identity.rank)}} {}

  // A family, to which `sample` adds.
  void begin(MetricType type, const char* name, const char* help) {
    families_.push_back({name, help, type, {}});
  }

  void sample(double value, const MetricsLabels& labels = {}) {
    ClientMetric metric;
    metric.label = common_;
    for (const auto& [label, text] : labels) add_label(metric, label_name(label), text);
    MetricFamily& family = families_.back();
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }

  void gauge(const char* name, const char* help, std::optional<double> value) {
    if (!value) return;
    begin(MetricType::Gauge, name, help);
    sample(*value);
  }

  void counter(const char* name, const char* help, std::int64_t value) {
    begin(MetricType::Counter, name, help);
    sample(static_cast<double>(value));
  }

  void info(const char* name, const char* help, MetricsLabels labels) {
    labels.resize(std::min(labels.size(), kMostInfoLabels));
    begin(MetricType::Gauge, name, help);
    sample(1.0, labels);
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  // A name that is there already would make the whole page unreadable.
  static void add_label(ClientMetric& metric, const std::string& name, const std::string& text) {
    const bool taken = std::any_of(metric.label.begin(), metric.label.end(),
                                   [&](const auto& label) { return label.name == name; });
    if (!taken) metric.label.push_back({name, label_value(text)});
  }

  std::vector<ClientMetric::Label> common_;
  std::vector<MetricFamily> families_;
};

void add_identity(const MetricsIdentity& identity, FamilyList& list) {
  list.info("elbow_build_info", "The program: its labels say of which version and with what.",
            identity.build);
  list.info("elbow_run_info", "The run: its labels say what is trained.", identity.about_run);
  list.gauge("elbow_rank", "Rank of this process in its job, from 0.", identity.rank);
  list.gauge("elbow_world_size", "Ranks in the job.", identity.world_size);
}

void add_progress(const MetricsSnapshot& now, FamilyList& list) {
  list.gauge("elbow_step", "Steps done since the beginning of the run.",
             static_cast<double>(now.position.step));
  list.gauge("elbow_planned_steps", "Steps of the whole run when it is finished.",
             static_cast<double>(now.planned_steps));
  list.gauge("elbow_epoch", "Epochs completed since the beginning of the run.",
             static_cast<double>(now.position.epochs));
  list.counter("elbow_steps_total", "Steps done by the job since this process started.",
               now.position.step - now.start.step);
  list.counter("elbow_samples_total",
               "Samples seen by the whole job since this process started; the same on every rank.",
               now.position.samples - now.start.samples);
  list.counter("elbow_epochs_total", "Epochs completed by the job since this process started.",
               now.position.epochs - now.start.epochs);
  list.counter("elbow_skipped_steps_total", "Steps that were left out by this process.",
               now.skipped_steps);
  list.counter("elbow_skipped_samples_total", "Samples that were left out by this process.",
               now.skipped_samples);
}

void add_figures(const MetricsSnapshot& now, FamilyList& list) {
  list.gauge("elbow_elbo_nats", "Evidence lower bound, mean a sample over the last step's batch.",
             now.elbo);
  if (!now.terms.empty()) {
    list.begin(MetricType::Gauge, "elbow_term_nats",
               "Terms of the evidence lower bound, mean a sample over the last step's batch.");
    for (const auto& [term, value] : now.terms) list.sample(value, {{"term", term}});
  }
  list.gauge("elbow_validation_elbo_nats",
             "Evidence lower bound, mean a sample over the validation data when last looked at.",
             now.validation_elbo);
  list.gauge("elbow_learning_rate", "Learning rate of the last step.", now.learning_rate);
  list.gauge("elbow_gradient_norm", "Norm of the last step's gradient, before clipping.",
             now.gradient_norm);
}

void add_time(const MetricsSnapshot& now, FamilyList& list) {
  list.begin(MetricType::Counter, "elbow_phase_seconds_total",
             "Time this rank has spent in each phase of its steps.");
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
    list.sample(now.phase_seconds[i], {{"phase", kPhaseNames[i]}});
  }
  list.gauge("elbow_queue_batches", "Batches that this rank has read ahead.",
             static_cast<double>(now.queued_batches));
}

void add_checkpoint(const MetricsSnapshot& now, std::chrono::steady_clock::time_point time,
                    FamilyList& list) {
  if (now.checkpoint_time) {
    const std::chrono::duration<double> age = time - *now.checkpoint_time;
    list.gauge("elbow_checkpoint_age_seconds", "Time since the last checkpoint was written.",
               std::max(0.0, age.count()));
  }
  if (now.checkpoint_bytes) {
    list.gauge("elbow_checkpoint_size_bytes", "Size of the last checkpoint.",
               static_cast<double>(*now.checkpoint_bytes));
  }
  list.counter("elbow_checkpoint_failures_total", "Checkpoints that could not be written.",
               now.checkpoint_failures);
}

void add_waits(const WaitFigures& waits, FamilyList& list) {
  list.begin(MetricType::Counter, "elbow_collective_seconds_total",
             "Time this rank has spent in collectives, waiting for other ranks included.");
  list.sample(waits.collective_seconds);
  if (waits.stragglers.empty()) return;
  const auto of = [](const WaitFigures::Straggler& straggler) {
    return MetricsLabels{{"straggler", std::to_string(straggler.rank)}};
  };
  list.begin(MetricType::Counter, "elbow_stragglers_total",
             "Times that the other ranks waited long for the rank `straggler`.");
  for (const auto& one : waits.stragglers) list.sample(static_cast<double>(one.times), of(one));
  list.begin(MetricType::Gauge, "elbow_straggler_seconds",
             "For how long the other ranks have been waiting for the rank `straggler` now.");
  for (const auto& one : waits.stragglers) list.sample(one.seconds, of(one));
}

}  // namespace

std::vector<MetricFamily> metric_families(const MetricsIdentity& identity,
                                          const std::optional<MetricsSnapshot>& snapshot,
                                          const std::optional<WaitFigures>& waits,
                                          std::chrono::steady_clock::time_point now) {
  FamilyList list(identity);
  add_identity(identity, list);
  if (snapshot) {
    add_progress(*snapshot, list);
    add_figures(*snapshot, list);
    add_time(*snapshot, list);
    add_checkpoint(*snapshot, now, list);
  }
  if (waits) add_waits(*waits, list);
  return list.take();
}

}  // namespace elbow
