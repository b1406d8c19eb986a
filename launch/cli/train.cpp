// elbow train
#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>
#include <torch/utils.h>
#include <torch/version.h>
#include <unistd.h>

#include "base/error.h"
#include "base/interval.h"
#include "base/log.h"
#include "base/text.h"
#include "base/version.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/signals.h"
#include "trainer/comm/together.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/saved_model.h"
#include "trainer/training/loop.h"
#include "trainer/training/reporter.h"
#include "trainer/training/training_set.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

// "1 rank", "2 ranks"
std::string counted(std::int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", human_count(count), noun, count == 1 ? "" : "s");
}

struct TrainArguments {
  std::string config;
  std::string run;
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
    together(comm_, [&] { resolve(table_, arguments_.config, arguments_.given); });
    if (arguments_.print_config) return print(table_.to_toml());
    require_same(comm_, table_.to_toml(), "the configuration");
    require_same(comm_, kCommit, "the program");
    torch::set_num_threads(static_cast<int>(configuration_.training.threads));
    if (!arguments_.dry_run && !open_run()) return;
    prepare();
    if (arguments_.dry_run) return print(plan_text());
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

  // On rank 0: whether the run is finished already. Refuses another configuration.
  bool check_earlier_run() {
    if (run_->state() == RunState::kNew) return false;
    const std::string changes = difference(run_->stored_configuration(), table_);
    if (!changes.empty()) {
      throw CheckpointError(fmt::format(
          "the run in {} was made with another configuration; choose another --run, or go back "
          "to:{}",
          arguments_.run, changes));
    }
    if (run_->state() == RunState::kFinished) {
      log::info("the run in {} is finished; nothing is left to do", arguments_.run);
      log_next_steps();
      return true;
    }
    log::warning(
        "the run in {} was not finished ({}), and this version keeps no checkpoints to go on from: "
        "it starts again from the beginning, with the same samples and noise, and replaces what "
        "was "
        "saved",
        arguments_.run, run_->last_reason().empty() ? "it was interrupted" : run_->last_reason());
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
    require_same(comm_, fingerprint_, "the training data");
    observation_ = std::make_unique<Observation>(
        make_observation(comm_, *set_, configuration_.observation, configuration_.model));
    together(comm_, [&] { procedure_ = make_model(configuration_.model, *observation_, seed()); });
  }

  Course course() const {
    const TrainingOptions& training = configuration_.training;
    return {set_->order().size(), training.batch, training.epochs};
  }

  std::string data_text() const {
    return fmt::format("{} samples of shape {} from {}, {} held out for validation",
                       human_count(set_->order().size()), shape_text(set_->images().row_shape()),
                       set_->images().name(), human_count(set_->validation_count()));
  }

  // What --dry-run shows.
  std::string plan_text() const {
    const ModelDescription description = describe(*procedure_);
    const TrainingOptions& training = configuration_.training;
    // Parameters, gradients and Adam's two moments.
    const double fixed = 4.0 * static_cast<double>(description.bytes);
    double activations = 0;
    for (const auto& layer : description.layers) {
      double elements = 1;
      for (const std::int64_t length : layer.output) elements *= static_cast<double>(length);
      activations += elements * 4.0;
    }
    const std::int64_t per_rank = (training.batch + comm_.size() - 1) / comm_.size();
    activations *= static_cast<double>(per_rank * training.draws);
    return fmt::format(
        "{}measure   {}\ndata      {}\n"
        "job       {} x {}; batch {} = {} a rank\n"
        "steps     {} epochs x {} = {}\n"
        "memory    {} of state and about {} of activations a rank, beside the libraries' own\n",
        to_text(description), observation_->measure(), data_text(), counted(comm_.size(), "rank"),
        counted(training.threads, "thread"), training.batch, per_rank, training.epochs,
        course().steps_per_epoch(), human_count(course().steps()), human_bytes(fixed),
        human_bytes(2 * activations));
  }

  void begin() {
    together(comm_, [&] {
      if (!coordinates()) return;
      const nlohmann::ordered_json about = {{"elbow", kVersion},
                                            {"commit", kCommit},
                                            {"libtorch", TORCH_VERSION},
                                            {"data", set_->images().name()},
                                            {"data_fingerprint", fingerprint_}};
      run_->begin_session(table_.to_toml(), about, comm_.size());
      log::open_file(run_->paths().log());
      save_model_description(run_->paths(), configuration_.model, *observation_,
                             {seed(), fingerprint_});
      reporter_ = std::make_unique<Reporter>(run_->paths().metrics(),
                                             parse_interval(configuration_.metrics.every), course(),
                                             configuration_.training.epochs, comm_.size());
      log::info("{}", procedure_->summary());
      log::info("{}", data_text());
      log::info("{}, {}; run directory {}", counted(comm_.size(), "rank"),
                counted(course().steps(), "step"), arguments_.run);
    });
  }

  TrainingResult train_and_report() {
    catch_stop_signals();
    started_ = std::chrono::steady_clock::now();
    TrainingJob job{comm_,
                    *procedure_,
                    *observation_,
                    set_->images(),
                    set_->order(),
                    configuration_.training,
                    configuration_.optimizer,
                    configuration_.data.nan == "skip"};
    if (set_->has_validation()) job.validate = [this] { return validate(); };
    job.validate_every = parse_interval(configuration_.evaluation.every);
    job.patience = configuration_.evaluation.patience;
    job.stop_requested = stop_requested;
    if (reporter_) job.on_step = [this](const StepReport& report) { reporter_->step(report); };
    job.on_validation = [this](const ValidationReport& report) { keep_best(report); };
    const TrainingResult result = train(job);
    if (reporter_) reporter_->finish();
    return result;
  }

  Figures validate() {
    if (reporter_) reporter_->validating();
    EvaluationOptions options = configuration_.evaluation;
    options.samples = options.validation_samples;
    return evaluate({comm_, *procedure_, *observation_, set_->validation_images(),
                     set_->validation_range(), options, seed(), configuration_.data.nan == "skip"});
  }

  void keep_best(const ValidationReport& report) {
    together(comm_, [&] {
      if (!coordinates()) return;
      reporter_->validation(report);
      if (report.best) save_parameters(run_->paths().parameters(), *procedure_);
    });
  }

  void end(const TrainingResult& result) {
    together(comm_, [&] {
      if (!coordinates()) return;
      save_parameters(run_->paths().last_parameters(), *procedure_);
      if (!result.best) save_parameters(run_->paths().parameters(), *procedure_);
      const bool finished = result.end != TrainingEnd::kSignal;
      run_->end_session(reason(result.end), finished, result_json(result));
      summarise(result);
    });
    if (result.end == TrainingEnd::kSignal) {
      throw SharedError(fmt::format("stopped by a signal after {} of {} steps; the parameters are "
                                    "saved in {}",
                                    result.steps, course().steps(), arguments_.run),
                        ExitCode::kStopped);
    }
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

  static std::string reason(TrainingEnd end) {
    switch (end) {
      case TrainingEnd::kFinished:
        return "finished";
      case TrainingEnd::kPatience:
        return "finished: no better validation for a while";
      case TrainingEnd::kSignal:
        return "stopped by a signal";
    }
    return "";
  }

  static nlohmann::ordered_json result_json(const TrainingResult& result) {
    nlohmann::ordered_json json = {
        {"steps", result.steps}, {"samples", result.samples}, {"skipped_samples", result.skipped}};
    if (result.best) {
      json["best_step"] = result.best->step;
      json["best_validation_elbo"] = result.best->figures.elbo;
    }
    return json;
  }

  void summarise(const TrainingResult& result) const {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    log::info("{} after {} steps, {} samples, in {}: {} samples/s", reason(result.end),
              human_count(result.steps), human_count(result.samples), human_duration(seconds),
              human_count(std::llround(static_cast<double>(result.samples) / seconds)));
    if (result.skipped > 0) {
      log::warning("{} samples were left out: they hold a NaN or an infinity",
                   human_count(result.skipped));
    }
    if (result.best) {
      const Figures& figures = result.best->figures;
      log::info(
          "best validation ELBO {:.2f} nats a sample (reconstruction {:.2f}, KL {:.2f}) "
          "over {} samples, after epoch {}",
          figures.elbo, figures.reconstruction, figures.kl, human_count(figures.count),
          result.best->epoch + 1);
    }
    if (result.end != TrainingEnd::kSignal) log_next_steps();
  }

  void log_next_steps() const {
    log::info("parameters: {}", run_->paths().parameters().string());
    log::info("next: elbow evaluate {} --data FILE:/test/images", arguments_.run);
    log::info("      elbow sample {}", arguments_.run);
    log::info("      elbow reconstruct {} --data FILE:/test/images", arguments_.run);
  }

  const TrainArguments& arguments_;
  Communicator& comm_;
  Configuration configuration_;
  OptionTable table_;
  std::unique_ptr<RunDirectory> run_;  // rank 0 only
  std::unique_ptr<TrainingSet> set_;
  std::string fingerprint_;
  std::unique_ptr<Observation> observation_;
  std::shared_ptr<Procedure> procedure_;
  std::unique_ptr<Reporter> reporter_;  // rank 0 only
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
      "Each option below can also be set in the configuration file (batch under [training]) and "
      "in\n"
      "the environment (ELBOW_TRAINING_BATCH); the command line wins, then the environment.\n"
      "Defaults are in square brackets.");
  command->add_option("--config", arguments->config, "configuration file (TOML)")
      ->type_name("FILE");
  command->add_option("--run", arguments->run, "directory for parameters, metrics and figures")
      ->type_name("DIR");
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
