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

}  // namespace

RunSession::RunSession(const std::string& run, const OptionTable& table) : directory_(run) {
  if (directory_.state() == RunState::kNew) return;
  const Difference changes = difference(directory_.stored_configuration(), table);
  if (!changes.shaping.empty()) {
    throw CheckpointError(fmt::format(
        "the run in {} was made with another configuration; choose another --run, or go back to:{}",
        run, changes.shaping));
  }
  if (finished()) return;
  checkpoint_ = load_newest_checkpoint(paths().checkpoints());
  changed_ = changes.allowed;
  if (!changed_.empty()) log::info("going on with another value of:{}", changed_);
  const std::string why =
      directory_.last_reason().empty() ? "interrupted" : directory_.last_reason();
  if (checkpoint_) {
    log::info("going on with the run in {} ({}) from step {}", run, why,
              checkpoint_->manifest.step);
  } else {
    log::warning("the run in {} ({}) had saved nothing yet: it starts again from the beginning",
                 run, why);
  }
}

void RunSession::restore(TrainingState& state, const Json& about, const Course& course) {
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
  const bool is_its_own = record.step == checkpoint_->manifest.step &&
                          course.holds(record.stage, record.step) &&
                          (record.step > 0 || !record.validation_due);
  if (!is_its_own) {
    throw CheckpointError(
        fmt::format("{} is damaged: step {} of stage {} is no place in the course of this run",
                    (checkpoint_->folder / "manifest.json").string(), record.step, record.stage));
  }
}

void RunSession::begin(const Configuration& configuration, const std::string& toml,
                       const Json& about, const ModelFile& model, TrainingState& state,
                       const Course& course, int ranks) {
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
      changed_);
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
      paths().metrics(), parse_interval(configuration.metrics.every), course, ranks, state.record(),
      checkpoint_ ? checkpoint_->manifest.record : Json(), directory_.writer());
  checkpoint_.reset();
}

void RunSession::note(const ValidationReport& report, TrainingState& state) {
  reporter_->validation(report);
  if (!report.best) return;
  try {
    save_parameters(paths().parameters(), state.named_best(), directory_.writer());
  } catch (const CheckpointError&) {
    throw;  // the lease is lost
  } catch (const Error& error) {
    log::error("{}; training goes on, and the next checkpoint will hold them", error.what());
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
