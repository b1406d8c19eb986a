#include "launch/cli/training_text.h"

#include <cmath>

#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/text.h"
#include "launch/cli/next_steps.h"
#include "trainer/model/model.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/versioned_json.h"
#include "trainer/training/batches.h"

namespace elbow {

std::string data_text(TrainingSet& set) {
  return fmt::format("{} samples of shape {} from {}, {} held out for validation",
                     human_count(set.order().size()), shape_text(set.images().row_shape()),
                     set.images().name(), human_count(set.validation_count()));
}

double state_bytes(const TrainingOptions& training, const ModelDescription& model) {
  // Parameters, gradients and the optimiser's two moments; with reproducible sums the partial sums
  // of a rank and those of its slice as well.
  double copies = 4.0 + (training.average > 0 ? 1.0 : 0.0);
  if (training.sum == "reproducible") {
    copies += 2.0 * std::ceil(std::log2(static_cast<double>(training.shards) + 1.0));
  }
  return copies * static_cast<double>(model.bytes);
}

void require_memory(double state_bytes) {
  const double total = main_memory().total;
  if (total <= 0 || state_bytes <= total) return;
  throw Error(fmt::format(
      "the parameters of this model, with their gradients and the optimiser's moments, take {} a "
      "rank, more than the {} that this machine has: choose smaller model.widths, or for images "
      "and signals model.network 'convolutional'; --dry-run shows what each layer takes",
      human_bytes(state_bytes), human_bytes(total)));
}

std::string plan_text(const Configuration& configuration, const Procedure& procedure,
                      const Observation& observation, TrainingSet& set, int ranks) {
  const ModelDescription description = describe(procedure);
  const TrainingOptions& training = configuration.training;
  double activations = 0;
  for (const auto& layer : description.layers) {
    double elements = 1;
    for (const std::int64_t length : layer.output) elements *= static_cast<double>(length);
    activations += elements * 4.0;
  }
  const std::int64_t per_rank = (training.batch + ranks - 1) / ranks;
  const std::int64_t shards = shard_count(training, training.batch, ranks);
  const std::int64_t per_shard = (training.batch + shards - 1) / shards;
  activations *= static_cast<double>(per_shard * training.draws);
  const Course course(set.order().size(), training, procedure.stages().size());
  return fmt::format(
      "{}measure   {}\ndata      {}\n"
      "job       {} x {}; batch {} = {} a rank, in {} of up to {} samples; {} sums\n"
      "steps     {} epochs x {} = {}\n"
      "memory    {} of state and about {} of activations a rank, beside the libraries' own\n",
      to_text(description), observation.measure_text(), data_text(set), counted(ranks, "rank"),
      counted(training.threads, "thread"), training.batch, per_rank, counted(shards, "shard"),
      per_shard, training.sum, course.epochs(), course.steps_per_epoch(),
      human_count(course.steps()), human_bytes(state_bytes(training, description)),
      human_bytes(2 * activations));
}

bool is_finished(TrainingEnd end) {
  return end == TrainingEnd::kFinished || end == TrainingEnd::kPatience;
}

std::string end_text(TrainingEnd end) {
  switch (end) {
    case TrainingEnd::kFinished:
      return "finished";
    case TrainingEnd::kPatience:
      return "finished: no better validation for a while";
    case TrainingEnd::kSignal:
      return "stopped by a signal";
    case TrainingEnd::kTimeLimit:
      return "stopped by the time limit";
  }
  return "";
}

namespace {

// Without what has no meaning for the model.
void log_best(const ValidationReport& best) {
  const Figures& figures = best.figures;
  std::string terms;
  const auto add = [&](const char* name, double value) {
    if (!std::isnan(value)) {
      terms += fmt::format("{}{} {:.2f}", terms.empty() ? "" : ", ", name, value);
    }
  };
  add("reconstruction", figures.reconstruction);
  add("KL", figures.kl);
  const bool bounded = !std::isnan(figures.elbo);
  log::result(fmt::format(
      "best validation {} {:.2f} nats per sample{} over {} samples, after epoch {}",
      bounded ? "ELBO" : likelihood_text(figures.given_c),
      bounded ? figures.elbo : figures.log_likelihood, terms.empty() ? "" : " (" + terms + ")",
      human_count(figures.count), best.epoch + 1));
}

}  // namespace

void log_summary(TrainingEnd end, const TrainingRecord& record, std::int64_t samples,
                 double seconds) {
  const std::string course = fmt::format(
      "{} after {} steps, {} samples; in this session {} samples in {}: {} samples/s",
      end_text(end), human_count(record.step), human_count(record.samples), human_count(samples),
      human_duration(seconds), human_count(std::llround(static_cast<double>(samples) / seconds)));
  if (record.best) {
    log::info("{}", course);
  } else {
    log::result(course);
  }
  if (record.skipped_samples > 0) {
    log::warning("{} left out: a NaN or an infinity in them",
                 counted(record.skipped_samples, "sample"));
  }
  if (record.skipped_steps > 0) {
    log::warning("{} made no update: see above", counted(record.skipped_steps, "step"));
  }
  if (record.best) log_best(*record.best);
}

void log_next_steps(const std::string& run, const std::filesystem::path& parameters) {
  log::info("parameters: {}", parameters.string());
  const char* title = "next: ";
  for (const std::string& command : commands_after_training(run)) {
    log::info("{}{}", title, command);
    title = "      ";
  }
}

}  // namespace elbow
