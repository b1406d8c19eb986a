// elbow train
#include <memory>

#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/interval.h"
#include "base/log.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/program_facts.h"
#include "launch/cli/run_room.h"
#include "launch/cli/run_session.h"
#include "launch/cli/signals.h"
#include "launch/cli/training_text.h"
#include "trainer/comm/together.h"
#include "trainer/model/torchscript.h"
#include "trainer/run/saved_model.h"
#include "trainer/training/exporter.h"
#include "trainer/training/gradient.h"
#include "trainer/training/loop.h"
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
    std::string stored;
    together(comm_, [&] { stored = stored_toml(); });
    stored = broadcast_text(comm_, stored, 0);
    together(comm_, [&] {
      if (!stored.empty() && arguments_.config.empty()) take_own_configuration(stored);
      resolve(table_, arguments_.config, arguments_.given);
      if (!stored.empty()) keep_defaults_of(stored, table_);
      schedule_ = schedule();
      if (on_device() && trains()) require_gpu_build();
    });
    if (arguments_.print_config) return print(table_.to_toml());
    require_same(comm_, facts_of(table_));
    limit_waits(comm_, configuration_.job);
    torch::set_num_threads(static_cast<int>(configuration_.training.threads));
    if (!arguments_.dry_run && !open_run()) return;
    std::unique_ptr<Communicator> nccl;
    if (on_device() && !arguments_.dry_run) nccl = make_nccl_communicator(comm_);
    prepare();
    if (arguments_.dry_run) {
      return print(
          plan_text(configuration_, *procedure_, model_->observation, *set_, comm_.size()) +
          fmt::format("disk      {}\n", room_text(room(), arguments_.run)));
    }
    require_one_directory();
    begin();
    try {
      end(train_and_report(nccl ? *nccl : comm_));
    } catch (const SharedError& error) {
      // A stop is on record already.
      if (session_ && error.code() != ExitCode::kStopped) session_->fail(error.what());
      throw;
    }
  }

 private:
  bool trains() const { return !arguments_.dry_run && !arguments_.print_config; }
  bool on_device() const { return configuration_.training.device == "cuda"; }
  bool coordinates() const { return comm_.rank() == 0; }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(configuration_.training.seed); }
  RunPaths paths() const { return {arguments_.run}; }

  void print(const std::string& text) const {
    if (coordinates()) elbow::print(text);
  }

  Schedule schedule() const {
    Schedule schedule{parse_interval(configuration_.evaluation.every),
                      parse_interval(configuration_.checkpoint.every),
                      parse_interval(configuration_.training.compare), 0};
    if (!arguments_.time_limit.empty()) {
      schedule.time_limit = parse_seconds("--time-limit", arguments_.time_limit);
    }
    return schedule;
  }

  // Rank 0: the configuration of the run that is there, "" where there is none.
  std::string stored_toml() const {
    if (!coordinates() || arguments_.run.empty()) return "";
    if (!fs::exists(paths().record()) || !fs::exists(paths().configuration())) return "";
    constexpr std::size_t kLargestConfiguration = 1 << 20;
    try {
      return read_file(paths().configuration(), kLargestConfiguration);
    } catch (const Error& error) {
      throw CheckpointError(error.what());
    }
  }

  // A run is taken up with its own configuration, unless another is given. Networks of a user are
  // code: those are not taken from a run directory, but given each time.
  void take_own_configuration(const std::string& stored) {
    table_.apply_saved_toml(stored, paths().configuration().string());
    configuration_.model.encoder.clear();
    configuration_.model.decoder.clear();
  }

  // False when there is nothing left to do.
  bool open_run() {
    if (arguments_.run.empty()) {
      throw SharedError("--run DIR is missing: the directory for parameters and figures",
                        ExitCode::kUsage);
    }
    bool finished = false;
    together(comm_, [&] {
      if (!coordinates()) return;
      session_ = std::make_unique<RunSession>(arguments_.run, configuration_, table_);
      finished = session_->finished();
      generation_ = session_->lease().generation();
      if (finished) {
        log::info(
            "the run in {} is finished; nothing is left to do. More --training.epochs, or more "
            "--evaluation.patience where it ended for want of a better validation, extend it",
            arguments_.run);
        log_next_steps(arguments_.run, paths().parameters());
      } else if (session_->goes_on() && !arguments_.init_from.empty()) {
        throw ConfigError(
            fmt::format("--init-from begins a new run, and {} holds one that can be resumed; "
                        "choose another --run",
                        arguments_.run));
      }
    });
    torch::Tensor shared = torch::tensor({std::int64_t{finished}, generation_});
    comm_.broadcast(shared, 0);
    generation_ = shared[1].item<std::int64_t>();
    return shared[0].item<std::int64_t>() == 0;
  }

  void prepare() {
    together(comm_, [&] {
      if (configuration_.model.network == "torchscript") note_network_files(configuration_.model);
      if (configuration_.data.train.empty()) {
        throw ConfigError("option data.train is missing: the samples to train on, FILE:/path");
      }
      set_ = std::make_unique<TrainingSet>(configuration_.data, seed());
      fingerprint_ = set_->fingerprint();
    });
    Facts content = set_->fingerprints();
    content.emplace_back("the content of model.encoder and model.decoder", own_networks());
    require_same(comm_, content);
    model_ = std::make_unique<ModelFile>(
        ModelFile{configuration_.model,
                  make_observation(comm_, *set_, configuration_.observation, configuration_.model),
                  make_conditioning(comm_, *set_, configuration_.model)});
    require_alike_validation(comm_, *set_, model_->observation, configuration_.data);
    together(comm_, [&] {
      make_procedure();
      Objective objective = objective_of(configuration_.training);
      if (configuration_.training.kl_warmup > 0) objective.kl_weight = 0;
      procedure_->require_suitable(objective);
      if (arguments_.dry_run) return try_initialising();
      if (on_device()) move_to_device();
      state_ = std::make_unique<TrainingState>(*procedure_, configuration_.optimizer,
                                               configuration_.training.average);
      if (session_) session_->restore(*state_, about(), course(), configuration_);
      if (coordinates() && !arguments_.init_from.empty()) {
        initialise_from(arguments_.init_from, state_->named_parameters());
      }
    });
  }

  // Whether it fits is known before it is made, and a dry run makes none.
  void make_procedure() {
    procedure_ = sketch_model(model_->options, model_->observation, model_->conditioning);
    if (arguments_.dry_run) return;
    if (!on_device()) require_memory(state_bytes(configuration_.training, describe(*procedure_)));
    procedure_ = make_model(model_->options, model_->observation, seed(), model_->conditioning);
  }

  // Refuses parameters that do not fit the sketch.
  void try_initialising() {
    if (!coordinates() || arguments_.init_from.empty()) return;
    NamedTensors sketched;
    for (const auto& item : procedure_->named_parameters()) {
      sketched.emplace(item.key(), item.value());
    }
    initialise_from(arguments_.init_from, sketched);
  }

  // Initialised on the host, so that the first bits are the same everywhere. Products in full
  // precision, by algorithms that repeat themselves.
  void move_to_device() {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setBenchmarkCuDNN(false);
    at::globalContext().setDeterministicCuDNN(true);
    procedure_->to(torch::kCUDA);
  }

  // From a run, or from a file of parameters.
  void initialise_from(const fs::path& source, const NamedTensors& targets) {
    const fs::path file = fs::is_directory(source) ? require_run(source).parameters() : source;
    const NamedTensors stored = load_safetensors(file);
    assign(targets, stored, file);
    init_from_ = {{"file", file.string()}, {"parameters_hash", content_hash(stored)}};
    log::info("parameters taken over from {}", file.string());
  }

  Course course() const {
    return {set_->order().size(), configuration_.training, procedure_->stages().size()};
  }

  RunRoom room() const { return room_of_run(configuration_, *procedure_, *set_); }

  // The ranks' own files (rows of samples, the record of samples) belong into one directory.
  void require_one_directory() {
    if (procedure_->row_width() == 0 && !arguments_.record_samples) return;
    const std::string holder =
        broadcast_text(comm_, coordinates() ? session_->lease().holder() : "", 0);
    together(comm_, [&] {
      if (!coordinates()) require_lease_of(paths().root, holder);
    });
  }

  // What a user's own networks are known by; "" without.
  std::string own_networks() const {
    return configuration_.model.encoder_hash + configuration_.model.decoder_hash;
  }

  // What run.json and checkpoints say of the program and the data.
  Json about() const {
    Json about = Json::object();
    for (const auto& [name, value] : program_facts()) about[name] = value;
    about["data"] = set_->images().name();
    about["data_fingerprint"] = fingerprint_;
    if (!own_networks().empty()) about["own_networks"] = own_networks();
    if (!init_from_.is_null()) about["init_from"] = init_from_;
    return about;
  }

  void begin() {
    together(comm_, [&] {
      if (session_) {
        if (state_->record().step < course().steps()) require_room(room(), paths().root);
        session_->begin(configuration_, table_.to_toml(), about(), *model_,
                        procedure_->training_figures(), *state_, course(), comm_.size());
      }
      if (arguments_.record_samples) {
        samples_ = std::make_unique<SampleRecord>(paths().consumed(), generation_, comm_.rank());
      }
    });
    log::info("{}", procedure_->summary());
    log::info("{}", data_text(*set_));
    log::info("{}, {}; run directory {}", counted(comm_.size(), "rank"),
              counted(course().steps(), "step"), arguments_.run);
    const std::int64_t shards =
        shard_count(configuration_.training, configuration_.training.batch, comm_.size());
    if (coordinates() && shards < comm_.size()) {
      log::warning(
          "a batch has {}, so {} of the {} ranks have nothing to compute: raise "
          "--training.shards in a new run, or start fewer ranks",
          counted(shards, "shard"), comm_.size() - shards, comm_.size());
    }
    if (configuration_.metrics.serve) {
      exporter_ =
          std::make_unique<Exporter>(comm_, configuration_.metrics, identity(), paths().root,
                                     procedure_->training_figures(), course(), state_->record());
    }
  }

  // Who this rank is to Prometheus. A run is called by the name of its directory.
  MetricsIdentity identity() const {
    const fs::path directory = fs::absolute(paths().root / ".").lexically_normal().parent_path();
    MetricsIdentity identity{directory.filename().string(), comm_.rank(), comm_.size(), {}, {}};
    for (const auto& fact : program_facts()) identity.build.push_back(fact);
    identity.about_run = {{"model", configuration_.model.kind},
                          {"objective", configuration_.training.objective},
                          {"sum", configuration_.training.sum}};
    return identity;
  }

  // `tensors` carries the tensors of the model, wherever they are.
  TrainingEnd train_and_report(Communicator& tensors) {
    CheckpointWriter checkpoints(comm_, paths().checkpoints(), configuration_.checkpoint,
                                 generation_, [this] { session_->require_may_save(); });
    TrainingJob job{.comm = tensors,
                    .procedure = *procedure_,
                    .observation = model_->observation,
                    .data = set_->images(),
                    .order = set_->order(),
                    .training = configuration_.training,
                    .state = *state_,
                    .optimizer = configuration_.optimizer,
                    .skip_not_finite = configuration_.data.nan == "skip",
                    .conditioning = model_->conditioning,
                    .labels = given_labels(set_->labels()),
                    .schedule = schedule_};
    if (set_->has_validation()) job.validate = [this] { return validate(); };
    job.over_training_set = [this] { return evaluate_training_set(); };
    job.patience = configuration_.evaluation.patience;
    job.checkpoints = &checkpoints;
    job.manifest.about = about();
    job.manifest.configuration = table_.to_toml();
    job.stop_requested = stop_requested;
    report_to_observers(job);
    return train(job);
  }

  void report_to_observers(TrainingJob& job) {
    if (session_) {
      job.record_beside = [this] { return session_->reporter().to_json(); };
    }
    if (samples_) {
      job.on_shard = [this](const Batch& batch) {
        samples_->add(state_->record().step + 1, batch.indices);
      };
    }
    job.on_step = [this](const StepReport& report) {
      if (session_) session_->reporter().step(report);
      if (exporter_) exporter_->step(report);
    };
    job.on_validation = [this](const ValidationReport& report) {
      if (exporter_) exporter_->validation(report);
      together(comm_, [&] {
        if (session_) session_->note(report, *state_);
      });
    };
    job.on_checkpoint = [this](const CheckpointOutcome& outcome) {
      last_problem_ = outcome.problem;
      if (exporter_) exporter_->checkpoint(outcome);
      together(comm_, [&] {
        if (session_) session_->note(outcome);
      });
    };
  }

  Figures validate() {
    if (session_) session_->reporter().validating();
    EvaluationOptions options = configuration_.evaluation;
    options.samples = options.validation_samples;
    return evaluate(evaluation_of(set_->validation_images(), set_->validation_labels(),
                                  set_->validation_range(), options));
  }

  Figures evaluate_training_set() {
    EvaluationOptions options = configuration_.evaluation;
    options.samples = 1;
    const Split& split = set_->split();
    return evaluate(evaluation_of(
        set_->images(), set_->labels(),
        {split.training_count(), [&split](std::int64_t i) { return split.training(i); }}, options));
  }

  EvaluationJob evaluation_of(DataSet& images, const DataSet* labels, SampleRange range,
                              const EvaluationOptions& options) {
    return {.comm = comm_,
            .procedure = *procedure_,
            .observation = model_->observation,
            .data = images,
            .range = std::move(range),
            .options = options,
            .seed = seed(),
            .skip_not_finite = configuration_.data.nan == "skip",
            .conditioning = model_->conditioning,
            .labels = given_labels(labels)};
  }

  // Labels are read where the model is conditioned on them.
  const DataSet* given_labels(const DataSet* labels) const {
    return model_->conditioning.size() > 0 ? labels : nullptr;
  }

  // A run is finished, or stopped in good order, when its last state is on disk: the parameters
  // alone are not all of it.
  void end(TrainingEnd end) {
    const std::string how_far =
        fmt::format("after {} of {} steps", state_->record().step, course().steps());
    if (!last_problem_.empty()) {
      throw SharedError(fmt::format(
          "the run is not finished: its state {} could not be saved: {}; once that is mended, the "
          "same command resumes it from what was saved before",
          how_far, last_problem_));
    }
    together(comm_, [&] {
      if (session_) session_->end(end, *state_);
    });
    if (is_finished(end)) return;
    throw SharedError(
        fmt::format("{} {}; the state is saved in {}, and the same command resumes from there",
                    end_text(end), how_far, arguments_.run),
        ExitCode::kStopped);
  }

  const TrainArguments& arguments_;
  Communicator& comm_;
  Configuration configuration_;
  OptionTable table_;
  Schedule schedule_;
  std::unique_ptr<RunSession> session_;  // rank 0 only
  std::int64_t generation_ = 0;          // of its lease
  Json init_from_;
  std::unique_ptr<TrainingSet> set_;
  std::string fingerprint_;
  std::unique_ptr<ModelFile> model_;
  std::shared_ptr<Procedure> procedure_;
  std::unique_ptr<TrainingState> state_;
  std::unique_ptr<Exporter> exporter_;     // none when metrics.serve is off
  std::unique_ptr<SampleRecord> samples_;  // where it was asked for
  std::string last_problem_;               // of the last checkpoint
};

}  // namespace

void add_train_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command = program.add_subcommand(
      "train",
      "Train a model, alone or under mpirun.\n\n"
      "  elbow train --config launch/examples/fashion-vae.toml --run runs/first\n"
      "  mpirun -n 2 elbow train --config c.toml --run runs/second --training.epochs 5\n\n"
      "The same command resumes a run that was stopped or cut off, at any number of ranks;\n"
      "so does --run DIR alone, with the configuration that DIR holds. More --training.epochs, or\n"
      "more --evaluation.patience, extend a run that is finished.\n"
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
    // One that comes before the first step ends the run after it.
    if (!arguments->dry_run && !arguments->print_config) catch_stop_signals();
    action = [arguments](Communicator& comm) { TrainCommand(*arguments, comm).run(); };
  });
}

}  // namespace elbow
