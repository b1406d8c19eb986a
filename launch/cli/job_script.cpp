#include "launch/cli/job_script.h"

#include <algorithm>
#include <cmath>
#include <regex>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interval.h"
#include "base/text.h"

namespace elbow {
namespace {

// What a shell takes as it is, wherever it stands.
constexpr char kPlain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,+@%=";

// What follows the start of the ranks in the background. Names and exit codes are in
// docs/cluster.md.
constexpr char kWait[] = R"(job=$!

# The ranks are told to save and stop: by USR1, which Slurm sends to this shell before the time limit; by TERM when it
# ends the job for another reason, and then it decides itself whether the job comes back.
notice=none
pass_on() {
  notice=$1
  kill -USR1 "$job" 2>/dev/null
}
trap 'pass_on limit' USR1
trap 'pass_on end' TERM
# A signal ends the waiting, not the ranks.
while kill -0 "$job" 2>/dev/null; do wait "$job"; done
wait "$job"
status=$?

starts_before=${SLURM_RESTART_COUNT:-0}
[[ $status != 0 && $notice != end ]] || exit "$status"
# 4 at first says that the run directory is not usable; later, it may be that ranks of a lost node still hold it.
if ((status == 2 || status == 3 || (status == 4 && starts_before == 0))); then
  echo "elbow slurm: exit code $status: starting again would not mend that; see the message above" >&2
  exit "$status"
fi
if ((status != 75 && starts_before >= restarts)); then
  echo "elbow slurm: exit code $status, and $starts_before restarts are enough: see the messages above; sbatch goes on with the run" >&2
  exit "$status"
fi
echo "elbow slurm: exit code $status: back to the queue; the run goes on from its newest checkpoint"
trap '' TERM  # with which Slurm now ends this shell
id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
scontrol requeue "${id:-$SLURM_JOB_ID}" || {
  echo "elbow slurm: the job may not be put back into the queue: start it again with sbatch" >&2
  exit "$status"
}
)";

std::int64_t ranks_of_node(const JobRequest& request) {
  if (request.ranks > 0) return request.ranks;
  return std::max<std::int64_t>(request.gpus, 1);
}

// "0-11:30:00". What is in Slurm's own form already stays.
std::string slurm_time(const std::string& text) {
  static const std::regex kSlurm(R"((\d+-)?\d+(:\d+){1,2}|\d+-\d+)");
  if (std::regex_match(text, kSlurm)) return text;
  const std::int64_t seconds = std::llround(parse_seconds("--time", text));
  return fmt::format("{}-{:02}:{:02}:{:02}", seconds / 86400, seconds / 3600 % 24,
                     seconds / 60 % 60, seconds % 60);
}

// The #SBATCH lines. sbatch reads them in a way of its own: what it might take apart is refused.
class Directives {
 public:
  void add(const std::string& option, const std::string& value) {
    if (value.empty()) return;
    if (value.find_first_not_of(std::string(kPlain) + "[]*&|()") != std::string::npos) {
      throw ConfigError(fmt::format("--{} '{}': sbatch takes letters, digits and -_./:,+@%= there",
                                    option, value));
    }
    text_ += fmt::format("#SBATCH --{}={}\n", option, value);
  }
  void add(const std::string& option, std::int64_t value) {
    if (value > 0) add(option, std::to_string(value));
  }
  void add_verbatim(const std::string& option) {
    if (!option.starts_with("-") || option.find('\n') != std::string::npos) {
      throw ConfigError(fmt::format(
          "--sbatch '{}' is no option of sbatch: write for example --sbatch=--exclusive", option));
    }
    text_ += "#SBATCH " + option + "\n";
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string directives(const JobRequest& request, std::size_t members, bool training) {
  const bool sweep = members > 0;
  Directives lines;
  lines.add("job-name", request.name);
  lines.add("account", request.account);
  lines.add("partition", request.partition);
  lines.add("qos", request.qos);
  lines.add("nodes", request.nodes);
  lines.add("ntasks-per-node", ranks_of_node(request));
  lines.add("cpus-per-task", request.cores);
  // Of the node rather than of the task: each rank sees all of its node's and takes its own.
  lines.add("gpus-per-node", request.gpus);
  lines.add("mem", request.memory);
  if (!request.time.empty()) lines.add("time", slurm_time(request.time));
  if (sweep) {
    const std::string at_once = request.at_once > 0 ? fmt::format("%{}", request.at_once) : "";
    lines.add("array", fmt::format("0-{}{}", members - 1, at_once));
  }
  if (training) {
    lines.add("signal",
              fmt::format("B:USR1@{}", std::llround(parse_seconds("--notice", request.notice))));
  }
  lines.add_verbatim("--requeue");
  lines.add("open-mode", "append");  // a job that comes back goes on with its log
  const char* standard = sweep ? "%x-%A_%a.log" : "%x-%j.log";
  lines.add("output", request.output.empty() ? standard : request.output);
  for (const std::string& option : request.sbatch) lines.add_verbatim(option);
  return lines.text();
}

// Starts the ranks; a rank that dies ends them all.
std::string launch_line(const JobRequest& request) {
  if (request.launcher == "mpirun") {
    const std::string cores =
        request.cores > 1 ? fmt::format(" --map-by slot:PE={}", request.cores) : "";
    // It kills at twice this time after a SIGTERM, then: when Slurm's KillWait, 30 s by default, is
    // over.
    return "mpirun --mca odls_base_sigkill_timeout 15" + cores;
  }
  // srun doesn't take --cpus-per-task over from sbatch since Slurm 22.05.
  return fmt::format("srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task={}", request.cores);
}

std::string member_lines(const std::vector<Words>& members) {
  if (members.empty()) return "";
  std::string text = "case $SLURM_ARRAY_TASK_ID in\n";
  for (std::size_t i = 0; i < members.size(); ++i) {
    text += fmt::format("  {}) command+=({}) ;;\n", i, shell_words(members[i]));
  }
  return text + "esac\n";
}

}  // namespace

std::string shell_word(const std::string& word) {
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  const bool control =
      std::any_of(word.begin(), word.end(), [](unsigned char c) { return c < 32 || c == 127; });
  std::string quoted;
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (control && (byte < 32 || byte == 127 || c == '\'' || c == '\\')) {
      quoted += fmt::format("\\{:03o}", byte);
    } else if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return (control ? "$'" : "'") + quoted + "'";
}

std::string shell_words(const Words& words) {
  Words quoted;
  for (const std::string& word : words) quoted.push_back(shell_word(word));
  return join(quoted, " ");
}

std::string job_script(const JobRequest& request, const Words& command,
                       const std::vector<Words>& members, bool training,
                       const std::string& origin) {
  std::string text = fmt::format("#!/bin/bash\n# Printed by: {}\n{}\n", origin,
                                 directives(request, members.size(), training));
  for (const std::string& line : request.before) text += line + "\n";
  text += fmt::format("command=({})\n{}", shell_words(command), member_lines(members));
  if (!training) return text + fmt::format("exec {} \"${{command[@]}}\"\n", launch_line(request));
  text += fmt::format("restarts={}\n{} \"${{command[@]}}\" &\n", request.restarts,
                      launch_line(request));
  return text + kWait;
}

}  // namespace elbow
