#include "launch/cli/run_session.h"

#include <cmath>

#include "base/error.h"
#include "base/json_input.h"
#include "base/log.h"
#include "base/text.h"
#include "launch/cli/program_facts.h"
#include "launch/cli/training_text.h"
#include "trainer/run/saved_model.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json result_json(const TrainingRecord& record) {
  Json json = {{"steps", record.step},
               {"samples", record.samples},
               {"skipped_samples", record.skipped_samples},
               {"skipped_steps", record.skipped_steps}};
  if (record.best) {
    json["best_step"] = record.best->step;
    const Figures& figures = record.best->figures;
    json["best_validation_elbo"] = figures.elbo;  // null where there is no bound
    if (std::isnan(figures.elbo)) {
      json[likelihood_key("best_validation_log_likelihood", figures.given_c)] =
          figures.log_likelihood;
    }
  }
  return json;
}

// Whether a run of these configurations ends at the same step.
bool same_length(const Configuration& a, const Configuration& b) {
  return a.training.epochs == b.training.epochs &&
         a.training.later_epochs == b.training.later_epochs &&
         a.evaluation.patience == b.evaluation.patience;
}

}  // namespace

RunSession::RunSession(const std::string& run, const Configuration& configuration,
                       const OptionTable& table)
    : directory_(run) {
  if (directory_.state() == RunState::kNew) return;
  const std::string stored = directory_.stored_configuration();
  const Difference changes = difference(stored, table);
  if (!changes.shaping.empty()) {
    throw CheckpointError(fmt::format(
        "the run in {} was made with another configuration; choose another --run, or go back to:{}",
        run, changes.shaping));
  }
  before_ = parsed_configuration(stored, paths().configuration().string());
  require_longer(configuration, changes.allowed);
  const bool was_finished = directory_.state() == RunState::kFinished;
  finished_ = was_finished && same_length(configuration, before_);
  if (finished_) return;
  checkpoint_ = load_newest_checkpoint(paths().checkpoints());
  if (was_finished && !checkpoint_) {
    throw CheckpointError(fmt::format(
        "the run in {} is finished, and no checkpoint is left from which it could be extended; "
        "begin another one with its parameters: --run OTHER --init-from {}",
        run, run));
  }
  changed_ = changes.allowed;
  if (!changed_.empty()) log::info("resuming with another value of:{}", changed_);
  const std::string why =
      directory_.last_reason().empty() ? "interrupted" : directory_.last_reason();
  if (checkpoint_) {
    log::info("resuming the run in {} ({}) from step {}", run, why, checkpoint_->manifest.step);
  } else {
    log::warning("the run in {} ({}) had saved nothing yet: it starts again from the beginning",
                 run, why);
  }
}

void RunSession::require_longer(const Configuration& configuration,
                                const std::string& changes) const {
  const auto later = [](const TrainingOptions& training) {
    return training.later_epochs > 0 ? training.later_epochs : training.epochs;
  };
  const TrainingOptions& now = configuration.training;
  if (now.epochs >= before_.training.epochs && later(now) >= later(before_.training)) return;
  throw CheckpointError(
      fmt::format("the run in {} can be made longer, but no shorter; choose another --run, or go "
                  "back to:{}",
                  paths().root.string(), changes));
}

void RunSession::restore(TrainingState& state, const Json& about, const Course& course,
                         const Configuration& configuration) {
  if (!checkpoint_) return;
  const Json& before = checkpoint_->manifest.about;
  if (find_text(before, "data_fingerprint") != find_text(about, "data_fingerprint")) {
    throw DataError(fmt::format(
        "{} is not what the run in {} was trained on: its content differs; give it the same data, "
        "or choose another --run",
        find_text(about, "data"), paths().root.string()));
  }
  if (find_text(before, "own_networks") != find_text(about, "own_networks")) {
    throw CheckpointError(fmt::format(
        "the files of model.encoder and model.decoder are not those that the run in {} began with; "
        "give it the same files, or choose another --run",
        paths().root.string()));
  }
  for (const auto& [name, value] : program_facts()) {
    const std::string was = find_text(before, name.c_str());
    if (was.empty() || was == value) continue;
    log::warning("the checkpoint was written with {} {}, this is {}: last bits may differ", name,
                 was, value);
  }
  state.restore(*checkpoint_);
  const TrainingRecord& record = state.record();
  note_extension(record, course, configuration);
  const bool is_its_own = record.step == checkpoint_->manifest.step &&
                          course.holds(record.stage, record.step) &&
                          (record.step > 0 || !record.validation_due);
  if (!is_its_own) {
    throw CheckpointError(
        fmt::format("{} is damaged: step {} of stage {} is no place in the course of this run",
                    (checkpoint_->folder / "manifest.json").string(), record.step, record.stage));
  }
}

// The rule: the schedule is a function of a step's place in the course, and from here on the course
// is the longer one. What was trained before stays as it is.
void RunSession::note_extension(const TrainingRecord& record, const Course& course,
                                const Configuration& configuration) {
  const std::int64_t patience = configuration.evaluation.patience;
  if (patience > 0 && record.validations_without_gain >= patience) {
    log::warning("nothing is left to do: the last {} brought no gain; raise --evaluation.patience",
                 counted(record.validations_without_gain, "validation"));
  }
  const Course before(course.samples(), before_.training,
                      static_cast<std::size_t>(course.stages()));
  if (course.epochs() == before.epochs()) return;
  if (!course.continues(before, record.stage)) {
    throw CheckpointError(
        fmt::format("the run in {} is in stage {} of {}: only stages that are not over can be made "
                    "longer; give --training.later_epochs instead of --training.epochs",
                    paths().root.string(), record.stage + 1, course.stages()));
  }
  const std::string& schedule = configuration.optimizer.schedule;
  schedule_ = schedule == "cosine"
                  ? fmt::format("cosine over {} epochs from step {} on, over {} before",
                                course.epochs(), record.step, before.epochs())
                  : fmt::format("{}, which does not depend on the number of epochs", schedule);
  log::info("extended from {} to {} epochs; schedule of the learning rate: {}", before.epochs(),
            course.epochs(), schedule_);
}

void RunSession::begin(const Configuration& configuration, const std::string& toml,
                       const Json& about, const ModelFile& model, std::vector<FigureKind> figures,
                       TrainingState& state, const Course& course, int ranks) {
  const int before = directory_.last_ranks();
  if (checkpoint_ && before != ranks && configuration.training.sum == "fast") {
    log::info("{} before, now {}: the same samples and noise, sums to rounding",
              counted(before, "rank"), ranks);
  }
  started_ = std::chrono::steady_clock::now();
  first_sample_ = state.record().samples;
  directory_.begin_session(
      toml, about,
      {ranks, state.record().step, course.steps(), course.epochs(), course.total_samples()},
      {changed_, schedule_});
  log::open_file(paths().log());
  save_model_description(paths(), model,
                         {static_cast<std::uint64_t>(configuration.training.seed),
                          find_text(about, "data_fingerprint")},
                         directory_.writer());
  // What was the best when the checkpoint was made.
  if (state.record().best) {
    save_parameters(paths().parameters(), state.named_best(), directory_.writer());
  } else {
    fs::remove(paths().parameters());
  }
  reporter_ = std::make_unique<Reporter>(
      paths().metrics(), std::move(figures), parse_interval(configuration.metrics.every), course,
      ranks, state.record(), checkpoint_ ? checkpoint_->manifest.record : Json(),
      directory_.writer());
  checkpoint_.reset();
}

void RunSession::require_may_save() {
  reporter_->flush();
  lease().require_held();
}

void RunSession::note(const ValidationReport& report, TrainingState& state) {
  reporter_->validation(report);
  if (!report.best) return;
  try {
    save_parameters(paths().parameters(), state.named_best(), directory_.writer());
  } catch (const CheckpointError&) {
    throw;  // the lease is lost
  } catch (const Error& error) {
    log::error("{}; training continues, and the next checkpoint will hold them", error.what());
  }
}

void RunSession::note(const CheckpointOutcome& outcome) const {
  if (outcome.problem.empty()) {
    log::debug("checkpoint of step {} written", outcome.step);
    return;
  }
  // No reason to lose the rest, unless another job has taken the directory over.
  lease().require_not_lost();
  log::error("the checkpoint of step {} could not be written: {}; the ones before it stay",
             outcome.step, outcome.problem);
}

void RunSession::end(TrainingEnd end, TrainingState& state) {
  reporter_->finish();
  const AtomicWrite write = directory_.writer();
  save_parameters(paths().last_parameters(), state.named_parameters(), write);
  save_parameters(paths().parameters(), state.named_best(), write);
  if (state.has_average()) {
    save_parameters(paths().average_parameters(), state.named_average(), write);
  }
  const TrainingRecord& record = state.record();
  const bool finished = is_finished(end);
  directory_.end_session(end_text(end), finished, result_json(record));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
  log_summary(end, record, record.samples - first_sample_, seconds.count());
  if (finished) log_next_steps(paths().root.string(), paths().parameters());
}

void RunSession::fail(const std::string& reason) {
  if (reporter_) reporter_->finish();
  try {
    directory_.end_session(reason, false, {});
  } catch (const Error& error) {
    log::warning("{}", error.what());
  }
}

}  // namespace elbow
