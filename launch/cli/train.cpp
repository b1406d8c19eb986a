// elbow train
#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <torch/utils.h>

#include "base/error.h"
#include "base/interval.h"
#include "base/log.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/program_facts.h"
#include "launch/cli/signals.h"
#include "launch/cli/training_text.h"
#include "trainer/comm/together.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/saved_model.h"
#include "trainer/training/exporter.h"
#include "trainer/training/loop.h"
#include "trainer/training/reporter.h"
#include "trainer/training/sample_record.h"
#include "trainer/training/training_set.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct TrainArguments {
  std::string config;
  std::string run;
  std::string init_from;
  std::string time_limit;
  bool record_samples = false;
  bool dry_run = false;
  bool print_config = false;
  GivenOptions given;
};

// A training from its configuration to its end, on every rank.
class TrainCommand {
 public:
  TrainCommand(const TrainArguments& arguments, Communicator& comm)
      : arguments_(arguments), comm_(comm), table_(configuration_.table()) {}

  void run() {
    together(comm_, [&] {
      resolve(table_, arguments_.config, arguments_.given);
      schedule_ = schedule();
    });
    if (arguments_.print_config) return print(table_.to_toml());
    require_same(comm_, program_facts());
    require_same(comm_, facts_of(table_));
    torch::set_num_threads(static_cast<int>(configuration_.training.threads));
    if (!arguments_.dry_run && !open_run()) return;
    prepare();
    if (arguments_.dry_run) {
      return print(plan_text(configuration_, *procedure_, *observation_, *set_, comm_.size()));
    }
    begin();
    try {
      end(train_and_report());
    } catch (const SharedError& error) {
      record_failure(error);
      throw;
    }
  }

 private:
  bool coordinates() const { return comm_.rank() == 0; }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(configuration_.training.seed); }

  void print(const std::string& text) const {
    if (coordinates()) std::cout << text << std::flush;
  }

  Schedule schedule() const {
    Schedule schedule{parse_interval(configuration_.evaluation.every),
                      parse_interval(configuration_.checkpoint.every),
                      parse_interval(configuration_.training.compare), 0};
    if (arguments_.time_limit.empty()) return schedule;
    const Interval limit = parse_interval(arguments_.time_limit);
    if (limit.unit != Interval::Unit::kSeconds) {
      throw ConfigError("--time-limit takes a time, such as '30 min' or '11.5 h'");
    }
    schedule.time_limit = limit.count;
    return schedule;
  }

  // False when there is nothing left to do.
  bool open_run() {
    if (arguments_.run.empty()) {
      throw SharedError("--run DIR is missing: the directory for parameters and figures",
                        ExitCode::kUsage);
    }
    bool done = false;
    together(comm_, [&] {
      if (!coordinates()) return;
      run_ = std::make_unique<RunDirectory>(arguments_.run);
      done = check_earlier_run();
    });
    return broadcast_text(comm_, done ? "done" : "", 0).empty();
  }

  // On rank 0: whether the run is finished already. Refuses a configuration that would change it.
  bool check_earlier_run() {
    if (run_->state() == RunState::kNew) return false;
    const Difference changes = difference(run_->stored_configuration(), table_);
    if (!changes.shaping.empty()) {
      throw CheckpointError(fmt::format(
          "the run in {} was made with another configuration; choose another --run, or go back "
          "to:{}",
          arguments_.run, changes.shaping));
    }
    if (run_->state() == RunState::kFinished) {
      log::info("the run in {} is finished; nothing is left to do", arguments_.run);
      log_next_steps(arguments_.run, run_->paths().parameters());
      return true;
    }
    checkpoint_ = load_newest_checkpoint(run_->paths().checkpoints());
    if (checkpoint_ && !arguments_.init_from.empty()) {
      throw ConfigError(fmt::format(
          "--init-from begins a new run, and {} holds one that goes on; choose another --run",
          arguments_.run));
    }
    changed_ = changes.allowed;
    if (!changed_.empty()) log::info("going on with another value of:{}", changed_);
    const std::string why = run_->last_reason().empty() ? "interrupted" : run_->last_reason();
    if (checkpoint_) {
      log::info("going on with the run in {} ({}) from step {}", arguments_.run, why,
                checkpoint_->manifest.step);
    } else {
      log::warning("the run in {} ({}) had saved nothing yet: it starts again from the beginning",
                   arguments_.run, why);
    }
    return false;
  }

  void prepare() {
    together(comm_, [&] {
      if (configuration_.data.train.empty()) {
        throw ConfigError("option data.train is missing: the samples to train on, FILE:/path");
      }
      set_ = std::make_unique<TrainingSet>(configuration_.data, seed());
      fingerprint_ = set_->fingerprint();
    });
    require_same(comm_, {{"the fingerprint of the training data", fingerprint_}});
    observation_ = std::make_unique<Observation>(
        make_observation(comm_, *set_, configuration_.observation, configuration_.model));
    together(comm_, [&] {
      procedure_ = make_model(configuration_.model, *observation_, seed());
      state_ = std::make_unique<TrainingState>(*procedure_, configuration_.optimizer,
                                               configuration_.training.average);
      if (!coordinates()) return;
      if (checkpoint_) restore();
      if (!arguments_.init_from.empty()) initialise_from(arguments_.init_from);
    });
  }

  void restore() {
    const Json& about = checkpoint_->manifest.about;
    if (about.value("data_fingerprint", "") != fingerprint_) {
      throw DataError(
          fmt::format("{} is not what the run in {} was trained on: its content differs; give it "
                      "the same data, "
                      "or choose another --run",
                      set_->images().name(), arguments_.run));
    }
    for (const auto& [name, value] : program_facts()) {
      if (about.value(name, value) == value) continue;
      log::warning("the checkpoint was written with {} {}, this is {}: last bits may differ", name,
                   about.value(name, ""), value);
    }
    state_->restore(*checkpoint_);
  }

  // From a run, or from a file of parameters.
  void initialise_from(const fs::path& source) {
    const fs::path file = fs::is_directory(source) ? require_run(source).parameters() : source;
    const NamedTensors stored = load_safetensors(file);
    assign(state_->named_parameters(), stored, file);
    init_from_ = {{"file", file.string()}, {"parameters_hash", content_hash(stored)}};
    log::info("parameters taken over from {}", file.string());
  }

  Course course() const {
    const TrainingOptions& training = configuration_.training;
    return {set_->order().size(), training.batch, training.epochs};
  }

  Json about() const {
    Json about = Json::object();
    for (const auto& [name, value] : program_facts()) about[name] = value;
    about["data"] = set_->images().name();
    about["data_fingerprint"] = fingerprint_;
    if (!init_from_.is_null()) about["init_from"] = init_from_;
    return about;
  }

  void begin() {
    first_step_ = state_->record().step;
    first_sample_ = state_->record().samples;
    together(comm_, [&] {
      if (!coordinates()) return;
      const RunPaths& paths = run_->paths();
      run_->begin_session(table_.to_toml(), about(), comm_.size(), first_step_, changed_);
      log::open_file(paths.log());
      save_model_description(paths, configuration_.model, *observation_, {seed(), fingerprint_});
      // What was the best when the checkpoint was made.
      if (state_->record().best) {
        save_parameters(paths.parameters(), state_->named_best());
      } else {
        fs::remove(paths.parameters());
      }
      reporter_ = std::make_unique<Reporter>(
          paths.metrics(), parse_interval(configuration_.metrics.every), course(),
          configuration_.training.epochs, comm_.size(), state_->record(),
          checkpoint_ ? checkpoint_->manifest.record.value("window", Json()) : Json());
      checkpoint_.reset();
      log::info("{}", procedure_->summary());
      log::info("{}", data_text(*set_));
      log::info("{}, {}; run directory {}", counted(comm_.size(), "rank"),
                counted(course().steps(), "step"), arguments_.run);
    });
    generation_ = broadcast_number(run_ ? run_->lease().generation() : 0);
    if (arguments_.record_samples) {
      together(comm_, [&] {
        samples_ = std::make_unique<SampleRecord>(RunPaths{arguments_.run}.consumed(), generation_,
                                                  comm_.rank());
      });
    }
    if (configuration_.metrics.serve) {
      exporter_ = std::make_unique<Exporter>(comm_, configuration_.metrics, identity(),
                                             arguments_.run, course(), state_->record());
    }
  }

  std::int64_t broadcast_number(std::int64_t number) const {
    torch::Tensor shared = torch::full({1}, number, torch::kLong);
    comm_.broadcast(shared, 0);
    return shared.item<std::int64_t>();
  }

  // Who this rank is to Prometheus. A run is called by the name of its directory.
  MetricsIdentity identity() const {
    MetricsIdentity identity{run_name(), comm_.rank(), comm_.size(), {}, {}};
    for (const auto& fact : program_facts()) identity.build.push_back(fact);
    identity.about_run = {{"model", configuration_.model.kind},
                          {"objective", configuration_.training.objective},
                          {"sum", configuration_.training.sum}};
    return identity;
  }

  std::string run_name() const {
    return fs::absolute(arguments_.run + "/.").lexically_normal().parent_path().filename().string();
  }

  TrainingEnd train_and_report() {
    catch_stop_signals();
    started_ = std::chrono::steady_clock::now();
    CheckpointWriter checkpoints(
        comm_, RunPaths{arguments_.run}.checkpoints(), configuration_.checkpoint,
        coordinates() ? run_->lease().generation() : 0, [this] { run_->lease().require_held(); });
    TrainingJob job{comm_,
                    *procedure_,
                    *observation_,
                    set_->images(),
                    set_->order(),
                    configuration_.training,
                    *state_,
                    configuration_.optimizer,
                    configuration_.data.nan == "skip"};
    job.schedule = schedule_;
    if (set_->has_validation()) job.validate = [this] { return validate(); };
    job.patience = configuration_.evaluation.patience;
    job.checkpoints = &checkpoints;
    job.manifest.about = about();
    job.manifest.configuration = table_.to_toml();
    job.stop_requested = stop_requested;
    if (reporter_) job.record_beside = [this] { return Json{{"window", reporter_->to_json()}}; };
    if (samples_) {
      job.on_shard = [this](const Batch& batch) {
        samples_->add(state_->record().step + 1, batch.indices);
      };
    }
    job.on_step = [this](const StepReport& report) {
      if (reporter_) reporter_->step(report);
      if (exporter_) exporter_->step(report);
    };
    job.on_validation = [this](const ValidationReport& report) { keep_best(report); };
    job.on_checkpoint = [this](const CheckpointOutcome& outcome) { note_checkpoint(outcome); };
    const TrainingEnd end = train(job);
    if (reporter_) reporter_->finish();
    return end;
  }

  Figures validate() {
    if (reporter_) reporter_->validating();
    EvaluationOptions options = configuration_.evaluation;
    options.samples = options.validation_samples;
    return evaluate({comm_, *procedure_, *observation_, set_->validation_images(),
                     set_->validation_range(), options, seed(), configuration_.data.nan == "skip"});
  }

  void keep_best(const ValidationReport& report) {
    if (exporter_) exporter_->validation(report);
    together(comm_, [&] {
      if (!coordinates()) return;
      reporter_->validation(report);
      if (!report.best) return;
      run_->lease().require_held();
      try {
        save_parameters(run_->paths().parameters(), state_->named_best());
      } catch (const Error& error) {
        log::error("{}; training goes on, and the next checkpoint will hold them", error.what());
      }
    });
  }

  // A checkpoint that could not be written is no reason to lose the rest, unless another job has
  // taken the directory over.
  void note_checkpoint(const CheckpointOutcome& outcome) {
    last_problem_ = outcome.problem;
    if (exporter_) exporter_->checkpoint(outcome);
    together(comm_, [&] {
      if (!coordinates()) return;
      if (outcome.problem.empty()) {
        log::debug("checkpoint of step {} written", outcome.step);
        return;
      }
      run_->lease().require_held();
      log::error("the checkpoint of step {} could not be written: {}; the ones before it stay",
                 outcome.step, outcome.problem);
    });
  }

  void end(TrainingEnd end) {
    const bool finished = end == TrainingEnd::kFinished || end == TrainingEnd::kPatience;
    const TrainingRecord& record = state_->record();
    together(comm_, [&] {
      if (!coordinates()) return;
      const RunPaths& paths = run_->paths();
      run_->lease().require_held();
      save_parameters(paths.last_parameters(), state_->named_parameters());
      save_parameters(paths.parameters(), state_->named_best());
      if (state_->has_average()) {
        save_parameters(paths.average_parameters(), state_->named_average());
      }
      run_->end_session(end_text(end), finished, result_json(record));
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
      log_summary(end, record, record.samples - first_sample_, seconds.count());
      if (finished) log_next_steps(arguments_.run, paths.parameters());
    });
    if (finished) return;
    if (!last_problem_.empty()) {
      throw SharedError(fmt::format("{} after {} of {} steps, but the state could not be saved: {}",
                                    end_text(end), record.step, course().steps(), last_problem_));
    }
    throw SharedError(
        fmt::format("{} after {} of {} steps; the state is saved in {}, and the same command goes "
                    "on from there",
                    end_text(end), record.step, course().steps(), arguments_.run),
        ExitCode::kStopped);
  }

  // So that run.json says why a session ended. A stop by a signal is recorded already.
  void record_failure(const SharedError& error) {
    if (!coordinates() || error.code() == ExitCode::kStopped) return;
    try {
      run_->end_session(error.what(), false, {});
    } catch (const Error& second) {
      log::warning("{}", second.what());
    }
  }

  static Json result_json(const TrainingRecord& record) {
    Json json = {{"steps", record.step},
                 {"samples", record.samples},
                 {"skipped_samples", record.skipped_samples},
                 {"skipped_steps", record.skipped_steps}};
    if (record.best) {
      json["best_step"] = record.best->step;
      json["best_validation_elbo"] = record.best->figures.elbo;
    }
    return json;
  }

  const TrainArguments& arguments_;
  Communicator& comm_;
  Configuration configuration_;
  OptionTable table_;
  Schedule schedule_;
  std::unique_ptr<RunDirectory> run_;     // rank 0 only
  std::optional<Checkpoint> checkpoint_;  // rank 0 only: what a run goes on from, until it does
  std::string changed_;                   // options that differ from those before
  Json init_from_;
  std::unique_ptr<TrainingSet> set_;
  std::string fingerprint_;
  std::unique_ptr<Observation> observation_;
  std::shared_ptr<Procedure> procedure_;
  std::unique_ptr<TrainingState> state_;
  std::unique_ptr<Reporter> reporter_;     // rank 0 only
  std::unique_ptr<Exporter> exporter_;     // none when metrics.serve is off
  std::unique_ptr<SampleRecord> samples_;  // where it was asked for
  std::int64_t generation_ = 0;            // of the lease
  std::int64_t first_step_ = 0;
  std::int64_t first_sample_ = 0;
  std::string last_problem_;  // of the last checkpoint
  std::chrono::steady_clock::time_point started_;
};

}  // namespace

void add_train_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = program.add_subcommand(
      "train",
      "Train a model, alone or under mpirun.\n\n"
      "  elbow train --config launch/examples/fashion-vae.toml --run runs/first\n"
      "  mpirun -n 2 elbow train --config c.toml --run runs/second --training.epochs 5\n\n"
      "The same command goes on with a run that was stopped or cut off, at any number of ranks.\n"
      "Each option below can also be set in the configuration file (batch under [training]) and "
      "in\n"
      "the environment (ELBOW_TRAINING_BATCH); the command line wins, then the environment.\n"
      "Defaults are in square brackets.");
  command->add_option("--config", arguments->config, "configuration file (TOML)")
      ->type_name("FILE");
  command->add_option("--run", arguments->run, "directory for parameters, metrics and figures")
      ->type_name("DIR");
  command
      ->add_option("--init-from", arguments->init_from,
                   "begin a new run with the parameters of another run, or of a .safetensors file")
      ->type_name("RUN");
  command
      ->add_option("--time-limit", arguments->time_limit,
                   "save and stop after this time, with exit code 75: '30 min', '11.5 h'")
      ->type_name("TIME");
  command->add_flag("--record-samples", arguments->record_samples,
                    "note which samples each rank uses at each step, in RUN/consumed");
  command->add_flag("--dry-run", arguments->dry_run,
                    "show networks, parameters, memory and steps, and train nothing");
  command->add_flag("--print-config", arguments->print_config,
                    "print the resolved configuration and do nothing else");
  add_configuration_options(*command, arguments->given);
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { TrainCommand(*arguments, comm).run(); };
  });
}

}  // namespace elbow
