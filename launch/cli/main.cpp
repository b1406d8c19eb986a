// elbow: a command line becomes a job.
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/print.h"
#include "base/version.h"
#include "launch/cli/commands.h"
#include "launch/cli/help.h"
#include "launch/cli/program_facts.h"
#include "launch/cli/signals.h"
#include "monitoring/progress.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/failure.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

constexpr char kAbout[] =
    "Elbow trains latent-variable models by maximising the evidence lower bound (ELBO), on one\n"
    "machine or on many, and measures the likelihood that they reach.\n";

constexpr char kFirstSession[] =
    "A first session:\n"
    "  elbow doctor\n"
    "  elbow data import idx --images train-images.gz --labels train-labels.gz \\\n"
    "      --output data.h5 --split train\n"
    "  mpirun -n 2 elbow train --config c.toml --run runs/first\n"
    "  elbow evaluate runs/first --data data.h5:/test/images\n"
    "  elbow sample runs/first\n\n"
    "'elbow help COMMAND' explains a command and its options.\n";

// Before MPI runs, only the environment tells ranks apart. That is good enough to choose who says
// what all of them would say.
bool speaks_for_all() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    const char* rank = std::getenv(variable);
    if (rank != nullptr) return std::string(rank) == "0";
  }
  return true;
}

// How much a command says: the same two options of each.
void add_verbosity(CLI::App& command) {
  const auto subcommands = command.get_subcommands([](const CLI::App*) { return true; });
  for (CLI::App* subcommand : subcommands) add_verbosity(*subcommand);
  if (!subcommands.empty()) return;
  const auto be_quiet = [] {
    log::set_level(log::Level::kWarning);
    show_progress(false);
  };
  const auto be_verbose = [] { log::set_level(log::Level::kDebug); };
  auto* quiet =
      command.add_flag_callback(kQuietFlags, be_quiet, "show warnings, errors and results alone");
  command
      .add_flag_callback(kVerboseFlags, be_verbose, "show more of what is done, as each checkpoint")
      ->excludes(quiet);
}

void set_up(CLI::App& program, Action& action) {
  set_up_parsing(program);
  program.set_version_flag("--version", fmt::format("elbow {} ({})", kVersion, kCommit));
  add_data_command(program, action);
  add_train_command(program, action);
  add_evaluate_command(program, action);
  add_sample_command(program, action);
  add_reconstruct_command(program, action);
  add_encode_command(program, action);
  add_traverse_command(program, action);
  add_interpolate_command(program, action);
  add_swap_command(program, action);
  add_export_command(program, action);
  add_report_command(program, action);
  add_status_command(program, action);
  add_list_command(program, action);
  add_doctor_command(program, action);
  add_slurm_command(program, action);
  add_verbosity(program);
  program.footer(kFirstSession);  // after the sub-commands, which would inherit it
}

// What a command line comes to.
struct CommandLine {
  std::function<void()> parsed = [] {};  // throws where it cannot be meant
  Facts told;
  Action action;
  bool answered = false;  // --help, --version
};

CommandLine understand(CLI::App& program, int argc, char** argv) {
  CommandLine line;
  try {
    set_up(program, line.action);
    program.parse(reversed_words(argc, argv));
    line.told = told_facts(program);
  } catch (const CLI::ParseError& error) {
    const std::string problem = usage_problem(program, error);
    line.answered = problem.empty();
    if (line.answered && speaks_for_all()) program.exit(error);
    if (line.answered) return line;
    line.parsed = [problem] { throw ConfigError(problem); };
  } catch (const Error& error) {
    line.parsed = [error] { throw error; };
  }
  return line;
}

// An error of this rank alone: the others don't know of it and may wait for this one for ever, so
// the whole job is ended.
int fail(Communicator* comm, const Failure& failure) {
  const bool many = comm != nullptr && comm->size() > 1;
  print_error(many ? fmt::format("[rank {}] {}", comm->rank(), failure.message) : failure.message);
  const int code = static_cast<int>(failure.code);
  if (many) comm->abort(code);
  return code;
}

int run(const CommandLine& line) {
  std::unique_ptr<Communicator> comm;
  try {
    comm = make_communicator();
    log::set_rank(comm->rank(), comm->size());
    // A rank that alone was told something wrong says so through the others.
    together(*comm, line.parsed);
    require_same_start(*comm, line.told);
    line.action(*comm);
    return static_cast<int>(ExitCode::kDone);
  } catch (const SharedError& error) {
    if (comm->rank() == 0) print_error(error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception&) {
    return fail(comm.get(), current_failure());
  }
}

}  // namespace
}  // namespace elbow

int main(int argc, char** argv) {
  CLI::App program(elbow::kAbout);
  const elbow::CommandLine line = elbow::understand(program, argc, argv);
  if (line.answered) return 0;
  elbow::deliver_stop_signals();
  return elbow::run(line);
}
