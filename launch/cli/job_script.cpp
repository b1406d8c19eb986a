#include "launch/cli/job_script.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interval.h"
#include "base/text.h"
#include "launch/cli/restarts.h"

namespace elbow {
namespace {

// What a shell takes as it is, wherever it stands.
constexpr char kPlain[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,+@%=";

// What follows the start of the ranks in the background. Names and exit codes are in
// docs/cluster.md.
constexpr char kWait[] = R"sh(job=$!

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

[[ $status != 0 && $notice != end ]] || exit "$status"
# 138: a rank that was told to stop before it could heed it.
if [[ $status != 75 && $status-$notice != 138-limit ]]; then
  # How many starts in a row failed without a new checkpoint is kept with the run, since this script begins anew.
  newest=$(newest_checkpoint "$run")
  failures=${SLURM_RESTART_COUNT:-0}
  if [[ -e $run/run.json ]]; then
    { read -r failures && read -r since; } 2>/dev/null <"$run/failures" || failures=0
    [[ ${since-} == "$newest" && $failures =~ ^(0|[1-9][0-9]{0,5})$ ]] || failures=0
    printf '%d\n%s\n' $((failures + 1)) "$newest" 2>/dev/null >"$run/failures" || failures=${SLURM_RESTART_COUNT:-0}
  fi
  another_start_may_help "$status" "${SLURM_RESTART_COUNT:-0}" || {
    echo "elbow slurm: exit code $status: starting again would not mend that; see the message above" >&2
    exit "$status"
  }
  ((failures < restarts)) || {
    echo "elbow slurm: exit code $status, failure $((failures + 1)) in a row without a new checkpoint: given up; see the messages above. sbatch of this script resumes the run" >&2
    exit "$status"
  }
fi
echo "elbow slurm: exit code $status: back to the queue; the run resumes from its newest checkpoint"
trap '' TERM  # with which Slurm now ends this shell
id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
scontrol requeue "${id:-$SLURM_JOB_ID}" || {
  echo "elbow slurm: the job may not be put back into the queue: start it again with sbatch" >&2
  exit "$status"
}
)sh";

std::int64_t ranks_of_node(const JobRequest& request) {
  if (request.ranks > 0) return request.ranks;
  return std::max<std::int64_t>(request.gpus, 1);
}

// A limit of time as sbatch takes it, and what it comes to; infinite where there is none.
struct TimeLimit {
  std::string text;
  double seconds = std::numeric_limits<double>::infinity();
};

// The seconds of a time as Slurm writes it: minutes[:seconds], hours:minutes:seconds or
// days-[hours[:minutes[:seconds]]]; nothing for any other text.
std::optional<double> slurm_seconds(const std::string& text) {
  constexpr double kPlaces[] = {86400, 3600, 60, 1};
  const std::size_t dash = text.find('-');
  const bool days = dash != std::string::npos;
  std::vector<std::string> parts;
  if (days) parts.push_back(text.substr(0, dash));
  const std::string rest = days ? text.substr(dash + 1) : text;
  if (!days || !rest.empty()) {
    for (std::string& part : split(rest, ':')) parts.push_back(std::move(part));
  }
  std::size_t place = days ? 0 : parts.size() == 3 ? 1 : 2;
  if (place + parts.size() > std::size(kPlaces)) return std::nullopt;
  double seconds = 0;
  for (const std::string& part : parts) {
    constexpr std::size_t kMostDigits = 9;
    const bool digits = part.find_first_not_of("0123456789") == std::string::npos;
    if (part.empty() || part.size() > kMostDigits || !digits) return std::nullopt;
    seconds += std::stod(part) * kPlaces[place++];
  }
  return seconds;
}

// What Slurm calls no limit, in any case of letters.
bool is_no_limit(std::string text) {
  for (char& letter : text) {
    letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return text == "-1" || text == "infinite" || text == "unlimited";
}

// What is in Slurm's own form stays; "11.5 h" becomes "0-11:30:00".
TimeLimit time_limit(const std::string& text) {
  if (is_no_limit(text)) return {text};
  if (const std::optional<double> seconds = slurm_seconds(text)) {
    return *seconds > 0 ? TimeLimit{text, *seconds} : TimeLimit{text};  // 0 is no limit to Slurm
  }
  if (!interval_problem(text).empty()) {
    throw ConfigError(fmt::format(
        "--time '{}': --time takes a time such as '30 min' or '11.5 h', or as Slurm writes it: "
        "minutes, H:MM:SS, D-HH:MM:SS",
        text));
  }
  const std::int64_t seconds = std::llround(parse_seconds("--time", text));
  return {fmt::format("{}-{:02}:{:02}:{:02}", seconds / 86400, seconds / 3600 % 24,
                      seconds / 60 % 60, seconds % 60),
          static_cast<double>(seconds)};
}

// How long before the time limit a training is told to stop: '2 min', or bare seconds, as Slurm
// writes it.
std::int64_t notice_seconds(const JobRequest& request) {
  constexpr double kMost = 65535;  // that Slurm takes
  constexpr double kEarly = 60;    // so long before its time Slurm may send a signal
  const bool bare = request.notice.find_first_not_of("0123456789") == std::string::npos;
  const double seconds = parse_seconds("--notice", bare ? request.notice + " s" : request.notice);
  if (seconds < 1 || seconds > kMost) {
    throw ConfigError(
        fmt::format("--notice '{}': Slurm takes 1 s to {} s (about 18 h)", request.notice, kMost));
  }
  const double limit =
      request.time.empty() ? TimeLimit().seconds : time_limit(request.time).seconds;
  if (seconds + kEarly >= limit) {
    throw ConfigError(fmt::format(
        "--notice '{}' leaves nothing of --time '{}', as Slurm may send the signal a minute early: "
        "lengthen --time, or shorten --notice",
        request.notice, request.time));
  }
  return std::llround(seconds);
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
  if (!request.time.empty()) lines.add("time", time_limit(request.time).text);
  if (sweep) {
    const std::string at_once = request.at_once > 0 ? fmt::format("%{}", request.at_once) : "";
    lines.add("array", fmt::format("0-{}{}", members - 1, at_once));
  }
  if (training) lines.add("signal", fmt::format("B:USR1@{}", notice_seconds(request)));
  lines.add_verbatim("--requeue");
  lines.add("open-mode", "append");  // a job that comes back appends to its log
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

// A job whose surroundings are not as they should be ends: starting again would not mend that. What
// is looked for on the job's first node may still be missing on another.
std::string preparation(const JobRequest& request, const std::string& program) {
  std::string text;
  if (!request.before.empty()) {
    text += R"sh(must_have_worked() {
  local status=$?
  ((status == 0)) || {
    echo "elbow slurm: '$1' failed with exit code $status; where it may, end it with '|| true'" >&2
    exit "$status"
  }
}
)sh";
  }
  for (const std::string& line : request.before) {
    text += fmt::format("{}\nmust_have_worked {}\n", line, shell_word(line));
  }
  return text + fmt::format(R"sh(for program in {} {}; do
  command -v "$program" >/dev/null || {{
    echo "elbow slurm: $program is not there, or may not be executed, on $HOSTNAME" >&2
    exit 127
  }}
done
)sh",
                            request.launcher, shell_word(program));
}

// launch/restarts.sh without its first lines, which say what the file is.
std::string restart_functions() {
  const std::string text = kRestarts;
  return text.substr(text.find("\n\n") + 1);
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

std::string job_script(const JobRequest& request, const JobCommand& job) {
  std::string text = fmt::format("#!/bin/bash\n# Printed by: {}\n{}\n{}command=({})\n", job.origin,
                                 directives(request, job.members.size(), job.training),
                                 preparation(request, job.words.front()), shell_words(job.words));
  if (!job.training) {
    return text + fmt::format("exec {} \"${{command[@]}}\"\n", launch_line(request));
  }
  text += fmt::format("{}run={}\nrestarts={}\n{}\n", member_lines(job.members),
                      job.members.empty() ? shell_word(job.run) : "${command[-1]}",
                      request.restarts, restart_functions());
  return text + fmt::format("{} \"${{command[@]}}\" &\n", launch_line(request)) + kWait;
}

}  // namespace elbow
