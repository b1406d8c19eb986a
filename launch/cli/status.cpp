// elbow status
#include <cmath>
#include <memory>

#include <unistd.h>

#include "base/error.h"
#include "base/json_input.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/next_steps.h"
#include "launch/cli/run_summary.h"
#include "trainer/model/conditioning.h"
#include "trainer/run/run_directory.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct StatusArguments {
  std::string run;
  bool json = false;
};

// Figures that a command has written beside the run.
struct Evaluation {
  std::string file;
  Json content;
};

std::vector<Evaluation> read_evaluations(const fs::path& root, RunSummary& run) {
  constexpr std::size_t kLargestFile = 1 << 20;
  constexpr std::size_t kMostFiles = 50;
  std::vector<Evaluation> found;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("evaluation") || !name.ends_with(".json")) continue;
    if (found.size() == kMostFiles) break;
    try {
      found.push_back({name, read_json_object(it->path(), kLargestFile)});
    } catch (const Error& problem) {
      run.problems.emplace_back(problem.what());
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Evaluation& a, const Evaluation& b) { return a.file < b.file; });
  return found;
}

// "603.66 nats (standard error 2.47), ELBO 591.13; 10,000 samples of test.h5:/images"
std::string evaluation_text(const Json& json) {
  std::vector<std::string> parts;
  for (const bool given_c : {false, true}) {
    const auto value = find_number(json, likelihood_key("log_likelihood", given_c).c_str());
    if (!value) continue;
    const auto error = find_number(json, "standard_error");
    parts.push_back(fmt::format("{} {:.2f} nats{}", likelihood_text(given_c), *value,
                                error ? fmt::format(" (standard error {:.2f})", *error) : ""));
  }
  if (const auto value = find_number(json, "elbo"))
    parts.push_back(fmt::format("ELBO {:.2f}", *value));
  std::string text = parts.empty() ? "no likelihood" : join(parts, ", ");
  if (const auto count = find_number(json, "count"); count && std::abs(*count) < 1e15) {
    text += fmt::format("; {} samples", human_count(std::llround(*count)));
  }
  const auto about = json.find("about");
  const std::string data = about == json.end() ? "" : find_text(*about, "data");
  if (!data.empty()) text += " of " + shown_text(data);
  return text;
}

// "591.23 nats", or the exact log p(x) of a model that has no bound.
std::string bound_text(const RunFigures& figures) {
  if (figures.elbo) return fmt::format("{:.2f} nats", *figures.elbo);
  if (figures.log_likelihood) {
    return fmt::format("{} {:.2f} nats", likelihood_text(figures.given_c), *figures.log_likelihood);
  }
  return "not finite";
}

class Status {
 public:
  explicit Status(const std::string& root)
      : paths_{root},
        run_(summarise_run(root)),
        saved_(read_saved_states(paths_.checkpoints())),
        evaluations_(read_evaluations(root, run_)) {
    for (const auto* problems : {&saved_.unreadable, &saved_.damaged}) {
      run_.problems.insert(run_.problems.end(), problems->begin(), problems->end());
    }
  }

  RunCondition condition() const { return run_.status.condition; }

  std::string json() const {
    Json json = to_json(run_);
    json["checkpoint"] = nullptr;
    if (saved_.newest) {
      json["checkpoint"] = {{"folder", saved_.newest->folder.string()},
                            {"step", saved_.newest->step},
                            {"written_seconds_ago", saved_.newest->age}};
    }
    json["evaluations"] = Json::object();
    for (const Evaluation& evaluation : evaluations_) {
      json["evaluations"][evaluation.file] = evaluation.content;
    }
    json["next"] = next_commands();
    return printed_json(json);
  }

  std::string text() const {
    std::string text =
        fmt::format("{}: {}\n\n", shown_text(paths_.root.string()), condition_text(run_));
    const auto line = [&](const char* name, const std::string& value) {
      if (!value.empty()) text += fmt::format("  {:<12}{}\n", name, value);
    };
    line("data", shown_text(run_.status.data));
    line("lease", lease_text());
    line("progress", whole_progress_text());
    line("ELBO", training_text());
    line("validation", validation_text());
    line("checkpoint", checkpoint_text());
    for (const Evaluation& evaluation : evaluations_) {
      line("evaluation",
           fmt::format("{}: {}", shown_text(evaluation.file), evaluation_text(evaluation.content)));
    }
    if (run_.status.sessions > 1) line("sessions", fmt::format("{}", run_.status.sessions));
    if (stalls(run_)) {
      text += fmt::format(
          " !  no figures for {}, where they came at least every {}: an evaluation, or a rank that "
          "hangs\n",
          age_text(run_.metrics.age), age_text(run_.metrics.longest_gap));
    }
    for (const std::string& problem : run_.problems) text += " !  " + shown_text(problem) + "\n";
    std::string title = "\nnext: ";
    for (const std::string& command : next_commands()) {
      text += title + shown_text(command) + "\n";
      title = "      ";
    }
    return text;
  }

 private:
  std::string lease_text() const {
    const auto& holder = run_.status.holder;
    if (!holder || holder->released) return "";
    return fmt::format("renewed {} ago by process {} on {}", age_text(holder->age), holder->process,
                       shown_text(holder->host));
  }

  std::string whole_progress_text() const {
    std::string text = progress_text(run_);
    const auto& training = run_.metrics.training;
    if (!training) return text;
    const RunSessionRecord& session = run_.status.session;
    if (run_.done && session.planned_epochs > 0) {
      text += fmt::format("; epoch {} of {}", training->epoch + 1, session.planned_epochs);
    }
    text += fmt::format(", step {}", human_count(training->step));
    if (session.planned_steps > 0)
      text += fmt::format(" of {}", human_count(session.planned_steps));
    if (run_.metrics.samples_per_second && run_.status.condition != RunCondition::kFinished) {
      text += fmt::format("; {} samples/s",
                          human_count(std::llround(*run_.metrics.samples_per_second)));
    }
    return text;
  }

  std::string training_text() const {
    if (!run_.metrics.training) return "";
    return fmt::format("{} a sample in training, {} ago", bound_text(*run_.metrics.training),
                       age_text(run_.metrics.age));
  }

  std::string validation_text() const {
    const auto& [last, best] = std::pair(run_.metrics.validation, run_.metrics.best);
    if (!last) return "";
    const std::string text =
        fmt::format("last {} after epoch {}", bound_text(*last), last->epoch + 1);
    if (!best) return text;
    if (best->step == last->step) return text + ", the best";
    return text + fmt::format(", best {} after epoch {}", bound_text(*best), best->epoch + 1);
  }

  std::string checkpoint_text() const {
    if (saved_.newest) {
      return fmt::format("{}, written {} ago, whole", saved_.newest->folder.filename().string(),
                         age_text(saved_.newest->age));
    }
    if (run_.status.sessions == 0) return "";
    if (!saved_.unreadable.empty()) return "none that can be read";
    return saved_.damaged.empty() ? "none yet" : "none is whole";
  }

  std::vector<std::string> next_commands() const {
    const std::string root = paths_.root.string();
    const std::string again = fmt::format(
        "{}elbow train --config {} --run {}",
        run_.status.session.ranks > 1 ? fmt::format("mpirun -n {} ", run_.status.session.ranks)
                                      : "",
        paths_.configuration().string(), root);
    const std::string log = fmt::format("tail {}", paths_.log().string());
    switch (run_.status.condition) {
      case RunCondition::kEmpty:
        return {fmt::format("elbow train --config FILE --run {}", root)};
      case RunCondition::kStarting:
        return {fmt::format("elbow status {}", root)};
      case RunCondition::kRunning:
        return {fmt::format("tail -f {}", paths_.log().string()),
                fmt::format("kill -USR1 {}   # on {}: saves and stops", run_.status.holder->process,
                            run_.status.holder->host)};
      case RunCondition::kSilent:
        return {fmt::format("ps {}   # on {}: does it live?", run_.status.holder->process,
                            run_.status.holder->host),
                again};
      case RunCondition::kStopped:
        return {again};
      case RunCondition::kFailed:
      case RunCondition::kDied:
        return {log, again};
      case RunCondition::kUnreadable:
      case RunCondition::kDamaged:
        return {log};
      case RunCondition::kFinished:
        return commands_after_training(paths_.root);
    }
    return {};
  }

  RunPaths paths_;
  RunSummary run_;
  SavedStates saved_;
  std::vector<Evaluation> evaluations_;
};

void show(const StatusArguments& arguments) {
  if (!looks_like_run(arguments.run)) require_run(arguments.run);
  const Status status(arguments.run);
  print(arguments.json ? status.json() : status.text());
  if (status.condition() == RunCondition::kUnreadable) {
    throw CheckpointError(
        fmt::format("{}: the record of the run is not for this program to read", arguments.run));
  }
  if (status.condition() == RunCondition::kDamaged) {
    throw CheckpointError(fmt::format(
        "{}: the record of the run is damaged; restore it from a backup, or train in another "
        "directory (--init-from takes over parameters)",
        arguments.run));
  }
}

}  // namespace

void add_status_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = program.add_subcommand(
      "status",
      "How a run is going, or how it ended.\n\n"
      "  elbow status runs/first\n\n"
      "State, progress, ELBO, the newest checkpoint that is whole, and what to do next. It reads\n"
      "the files of the run alone: it may be in progress, on any machine. The bytes of the newest\n"
      "checkpoint are compared with their hashes. Exit code 0, or 4 where the run's record cannot\n"
      "be read.");
  command->add_option("RUN", arguments->run, "run directory made by 'elbow train'")->required();
  command->add_flag("--json", arguments->json, "the same for programs");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { show(*arguments); }); });
}

}  // namespace elbow
