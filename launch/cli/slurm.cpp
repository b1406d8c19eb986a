// elbow slurm
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/help.h"
#include "launch/cli/job_script.h"
#include "launch/cli/program_facts.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostMembers = 10000;

struct SlurmArguments {
  JobRequest request;
  std::vector<std::string> vary;
  std::string program;
  Words command;
  std::string origin;
};

// Refuses a command line now that would be refused when the job has come to its turn.
void require_valid(const Words& command) {
  Action ignored;
  CLI::App program;
  set_up_parsing(program);
  add_train_command(program, ignored);
  add_evaluate_command(program, ignored);
  add_encode_command(program, ignored);
  add_sample_command(program, ignored);
  add_reconstruct_command(program, ignored);
  add_swap_command(program, ignored);
  add_doctor_command(program, ignored);
  for (CLI::App* any : program.get_subcommands([](const CLI::App*) { return true; })) {
    for (const char* flags : {kQuietFlags, kVerboseFlags}) any->add_flag(flags);
  }
  try {
    program.parse(Words(command.rbegin(), command.rend()));
  } catch (const CLI::ParseError& error) {
    const std::string problem = usage_problem(program, error);
    throw ConfigError(
        fmt::format("the command of the job: {}",
                    problem.empty() ? "it asks for help, which no job needs" : problem));
  }
}

// Takes '--name VALUE' or '--name=VALUE' out of the words; "" when it is not there.
std::string take_option(Words& words, const std::string& name) {
  for (auto word = words.begin(); word != words.end(); ++word) {
    if (word->starts_with(name + "=")) {
      const std::string value = word->substr(name.size() + 1);
      words.erase(word);
      return value;
    }
    if (*word == name && word + 1 != words.end()) {
      const std::string value = *(word + 1);
      words.erase(word, word + 2);
      return value;
    }
  }
  return "";
}

std::string option_of(Words words, const std::string& name) { return take_option(words, name); }

// At the commas that are not inside brackets: "[400],[400,400]" is two values.
Words values_of(const std::string& text) {
  Words values(1);
  int depth = 0;
  for (const char c : text) {
    depth += (c == '[') - (c == ']');
    if (c == ',' && depth == 0) {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
  return values;
}

// An option of a sweep, and what it is set to.
struct Axis {
  std::string option;
  Words values;
};

Axis axis_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  Axis axis{text.substr(0, equals), {}};
  if (equals != std::string::npos) axis.values = values_of(text.substr(equals + 1));
  if (axis.option.find('.') == std::string::npos || axis.option.starts_with("-") ||
      axis.values.empty() || std::count(axis.values.begin(), axis.values.end(), "") > 0) {
    throw ConfigError(
        fmt::format("--vary '{}': write an option and its values, for example "
                    "--vary training.seed=1,2,3",
                    text));
  }
  return axis;
}

// A folder's name: what varies, without what a shell would not take as it is.
std::string member_name(std::size_t index, std::size_t count, const Words& settings) {
  std::string name = join(settings, ",");
  for (char& c : name) {
    if (std::string_view("[]/ '\"$&|;<>()*?!\\`~#{}").find(c) != std::string_view::npos) c = '_';
  }
  return fmt::format("{:0{}}-{}", index, std::to_string(count - 1).size(), name);
}

// Every combination of values, the last option varying fastest, each with a run of its own.
std::vector<Words> members_of(const std::vector<std::string>& vary, const std::string& run) {
  std::vector<Axis> axes;
  std::size_t count = 1;
  for (const std::string& text : vary) {
    axes.push_back(axis_of(text));
    count *= axes.back().values.size();
    if (count > kMostMembers) {
      throw ConfigError(fmt::format("--vary makes more than {} jobs: vary less at a time",
                                    human_count(kMostMembers)));
    }
  }
  std::vector<Words> members;
  for (std::size_t index = 0; index < count; ++index) {
    Words settings;
    Words words;
    std::size_t rest = count;
    for (const Axis& axis : axes) {
      rest /= axis.values.size();
      const std::string& value = axis.values[index / rest % axis.values.size()];
      settings.push_back(axis.option.substr(axis.option.find('.') + 1) + "=" + value);
      words.insert(words.end(), {"--" + axis.option, value});
    }
    words.insert(words.end(),
                 {"--run", (fs::path(run) / member_name(index, count, settings)).string()});
    members.push_back(words);
  }
  return members;
}

// How the command line was, with each option written in one way.
std::string origin_of(const CLI::App& command) {
  Words words = {"elbow", "slurm"};
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& value : option->results()) {
      words.push_back(option->get_name() + "=" + value);
    }
  }
  const Words rest = command.remaining();
  words.insert(words.end(), rest.begin(), rest.end());
  return shell_words(words);
}

// The last name of a run's path, also of one with a slash at its end, in letters for sbatch.
std::string job_name(const std::string& run) {
  std::string name = (fs::path(run) / ".").lexically_normal().parent_path().filename().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '.') c = '_';
  }
  return name;
}

void require_command(const Words& command) {
  if (command.empty()) {
    throw ConfigError(
        "the command is missing: elbow slurm --nodes 2 train --config c.toml --run runs/first");
  }
  if (command.front().starts_with("-")) {
    throw ConfigError(fmt::format(
        "elbow slurm has no option '{}', or it lacks a value; 'elbow slurm --help' says more",
        command.front()));
  }
}

// The training of a job with GPUs is told to use them. Of a program elsewhere it is not known what
// it was built for.
void use_gpus(const SlurmArguments& arguments, Words& command) {
  if (arguments.request.gpus > 0 && option_of(command, "--training.device").empty()) {
    command.insert(command.end(), {"--training.device", "cuda"});
  }
  if (option_of(command, "--training.device") == "cuda" && arguments.program.empty()) {
    require_gpu_build();
  }
}

void print_script(SlurmArguments arguments) {
  JobCommand job;
  Words& command = arguments.command;
  require_command(command);
  job.training = command.front() == "train";
  if (job.training) use_gpus(arguments, command);
  require_valid(command);

  Words rest = command;
  job.run = take_option(rest, "--run");
  if (job.training && job.run.empty()) {
    throw ConfigError("--run DIR is missing: the run that the job trains");
  }
  if (!arguments.vary.empty()) {
    if (!job.training) {
      throw ConfigError("--vary is for elbow slurm train: it makes a run of each choice");
    }
    command = rest;
    job.members = members_of(arguments.vary, job.run);
    Words first = command;  // all have the same options
    first.insert(first.end(), job.members.front().begin(), job.members.front().end());
    require_valid(first);
  }
  if (arguments.request.name.empty()) {
    arguments.request.name = job.run.empty() ? "elbow-" + command.front() : job_name(job.run);
  }
  if (arguments.program.empty()) {
    arguments.program = fs::read_symlink("/proc/self/exe").string();
  }
  job.words = command;
  job.words.insert(job.words.begin(), arguments.program);
  job.origin = arguments.origin;
  const std::string script = job_script(arguments.request, job);
  for (const std::string& line : split(script, '\n')) {
    if (printable(line) == line) continue;
    throw ConfigError(fmt::format(
        "the job script would not show what it does: leave control characters out of\n{}", line));
  }
  print(script);
}

void add_request_options(CLI::App& command, JobRequest& request) {
  const auto count = CLI::Range(std::int64_t{1}, std::int64_t{1000000});
  command.add_option("--nodes", request.nodes, "machines [1]")->check(count);
  command.add_option("--ranks", request.ranks, "ranks on each [1, or as many as GPUs]")
      ->check(count);
  command.add_option("--cores", request.cores, "cores of a rank: training.threads [1]")
      ->check(count);
  command.add_option("--gpus", request.gpus, "GPUs on each node; the training is told to use them")
      ->check(count);
  command.add_option("--time", request.time, "time limit: '11.5 h', or in any form of Slurm's")
      ->type_name("TIME");
  command.add_option("--partition", request.partition, "where to queue")->type_name("NAME");
  command.add_option("--account", request.account, "who pays")->type_name("NAME");
  command.add_option("--qos", request.qos, "quality of service")->type_name("NAME");
  command.add_option("--memory", request.memory, "of a node, as Slurm writes it: 16G")
      ->type_name("SIZE");
  command.add_option("--name", request.name, "of the job [the run's]")->type_name("NAME");
  command.add_option("--output", request.output, "the job's log [%x-%j.log: name and number]")
      ->type_name("FILE");
  command.add_option("--sbatch", request.sbatch, "another option of sbatch: --sbatch=--exclusive")
      ->allow_extra_args(false)
      ->type_name("OPTION");
  command
      .add_option("--before", request.before,
                  "a line of shell to run first: --before 'module load openmpi'")
      ->allow_extra_args(false)
      ->type_name("LINE");
  command
      .add_option("--launcher", request.launcher,
                  "srun, or mpirun where Slurm was built without PMIx [srun]")
      ->check(CLI::IsMember({"srun", "mpirun"}));
  command
      .add_option("--notice", request.notice,
                  "how long before the time limit a training saves and stops [2 min]")
      ->type_name("TIME");
  command
      .add_option("--restarts", request.restarts,
                  "new starts of a training that fails, in a row without a new checkpoint [4]")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000}));
}

}  // namespace

void add_slurm_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<SlurmArguments>();
  CLI::App* command = program.add_subcommand(
      "slurm",
      "Print a job script for Slurm, filled in.\n\n"
      "  elbow slurm --nodes 2 --ranks 16 --time '11.5 h' train --config c.toml --run runs/first "
      "\\\n"
      "      >first.sh && sbatch first.sh\n"
      "  elbow slurm --ranks 8 evaluate runs/first --data test.h5:/images | sbatch\n"
      "  elbow slurm --vary training.seed=1,2,3 --vary optimizer.rate=1e-3,3e-4 \\\n"
      "      train --config c.toml --run runs/sweep | sbatch\n\n"
      "The command of the job comes last. A training saves and stops before its time limit or "
      "when\n"
      "it is preempted, goes back to the queue, and resumes; so it does after a failure that\n"
      "another start may mend, a lost node for one. docs/cluster.md tells more.");
  add_request_options(*command, arguments->request);
  command
      ->add_option("--vary", arguments->vary,
                   "a sweep: an option and its values, OPTION=A,B; more than once for every "
                   "combination")
      ->allow_extra_args(false)
      ->type_name("CHOICE");
  command->add_option("--at-once", arguments->request.at_once, "jobs of a sweep at a time [all]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}));
  command->add_option("--program", arguments->program, "the program on the nodes [this one]")
      ->type_name("FILE");
  command->prefix_command();
  command->callback([arguments, command, &action] {
    arguments->command = command->remaining();
    arguments->origin = origin_of(*command);
    action = on_rank_0([arguments] { print_script(*arguments); });
  });
}

}  // namespace elbow
