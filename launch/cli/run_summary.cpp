#include "launch/cli/run_summary.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "base/utf8.h"
#include "trainer/model/conditioning.h"
#include "trainer/run/run_directory.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestText = 300;

bool goes_on(RunCondition condition) {
  return condition == RunCondition::kRunning || condition == RunCondition::kStarting;
}

void judge_progress(RunSummary& run) {
  if (run.status.condition == RunCondition::kFinished) {
    run.done = 1;
    return;
  }
  const RunMetrics& metrics = run.metrics;
  const auto total = static_cast<double>(run.status.session.planned_samples);
  if (!metrics.training || total <= 0) return;
  const auto seen = static_cast<double>(metrics.training->samples);
  run.done = std::clamp(seen / total, 0.0, 1.0);
  if (run.status.condition != RunCondition::kRunning || stalls(run)) return;
  if (!metrics.samples_per_second) return;
  run.seconds_left = std::max(0.0, (total - seen) / *metrics.samples_per_second - metrics.age);
}

std::string ago(std::optional<double> seconds) {
  return seconds ? age_text(*seconds) + " ago" : "at an unknown time";
}

// "on n1 with 4 ranks"
std::string place_text(const RunStatus& status) {
  std::string text;
  if (status.holder && !status.holder->host.empty()) {
    text = " on " + shown_text(status.holder->host);
  }
  if (status.session.ranks > 0) text += " with " + counted(status.session.ranks, "rank");
  return text;
}

std::string running_text(const RunSummary& run) {
  const auto since = seconds_since(run.status.session.started);
  std::string text = "running" + place_text(run.status);
  if (since) text += " for " + age_text(*since);
  if (stalls(run)) text += ", no figures for " + human_duration(run.metrics.age);
  return text;
}

std::string silent_text(const RunStatus& status) {
  return fmt::format("silent for {}: it died, is suspended, or its host is cut off (it ran{})",
                     age_text(status.holder ? status.holder->age : 0), place_text(status));
}

std::string died_text(const RunStatus& status) {
  std::optional<double> age;
  if (status.holder) age = status.holder->age;
  return fmt::format("died without a word {} (it ran{})", ago(age), place_text(status));
}

Json figures_json(const std::optional<RunFigures>& figures) {
  if (!figures) return nullptr;
  Json json = {{"step", figures->step}, {"epoch", figures->epoch + 1}};
  json["elbo"] = figures->elbo ? Json(*figures->elbo) : Json();
  if (figures->log_likelihood)
    json[likelihood_key("log_likelihood", figures->given_c)] = *figures->log_likelihood;
  return json;
}

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

bool stalls(const RunSummary& run) {
  constexpr double kLeastSeconds = 30;
  return run.status.condition == RunCondition::kRunning && run.metrics.longest_gap > 0 &&
         run.metrics.age > kLeastSeconds + 3 * run.metrics.longest_gap;
}

RunSummary summarise_run(const fs::path& root) {
  RunSummary run;
  run.root = root;
  run.status = read_run_status(root);
  if (!run.status.problem.empty()) run.problems.push_back(run.status.problem);
  try {
    run.metrics = read_run_metrics(RunPaths{root}.metrics());
  } catch (const std::exception& error) {
    run.problems.emplace_back(error.what());
  }
  judge_progress(run);
  return run;
}

std::string age_text(double seconds) {
  constexpr double kDay = 86400;
  return seconds < 2 * kDay ? human_duration(seconds) : fmt::format("{:.0f} days", seconds / kDay);
}

std::string condition_text(const RunSummary& run) {
  const RunStatus& status = run.status;
  const RunSessionRecord& session = status.session;
  switch (status.condition) {
    case RunCondition::kEmpty:
      return "empty: no training has begun in it";
    case RunCondition::kStarting:
      return "starting" + place_text(status);
    case RunCondition::kRunning:
      return running_text(run);
    case RunCondition::kSilent:
      return silent_text(status);
    case RunCondition::kFinished:
      return "finished " + ago(seconds_since(session.ended));
    case RunCondition::kStopped:
      return fmt::format("{} {}", shown_text(session.reason), ago(seconds_since(session.ended)));
    case RunCondition::kFailed:
      return fmt::format("failed {}: {}", ago(seconds_since(session.ended)),
                         shown_text(session.reason));
    case RunCondition::kDied:
      return died_text(status);
    case RunCondition::kUnreadable:
      return "unreadable";
    case RunCondition::kDamaged:
      return "damaged";
  }
  return "";
}

std::string progress_text(const RunSummary& run) {
  if (run.done) {
    // Rounded down: 100% is said when all is done.
    std::string text = fmt::format("{:.0f}%", std::floor(100 * *run.done));
    if (run.seconds_left) text += fmt::format(", {} left", human_duration(*run.seconds_left));
    return text;
  }
  if (!run.metrics.training) return goes_on(run.status.condition) ? "no step yet" : "";
  const std::int64_t epoch = run.metrics.training->epoch + 1;
  return fmt::format("epoch {}", epoch);
}

std::string shown_text(const std::string& text) {
  std::string line = printable(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::string shown;
  for (std::string_view rest = line; !rest.empty();) {
    const std::string_view character = first_character(rest).bytes;
    if (shown.size() + character.size() > kLongestText) return shown + "...";
    shown += character;
    rest.remove_prefix(character.size());
  }
  return shown;
}

Json to_json(const RunSummary& run) {
  const RunStatus& status = run.status;
  const RunMetrics& metrics = run.metrics;
  Json json = {{"run", run.root.string()},
               {"state", condition_name(status.condition)},
               {"sessions", status.sessions},
               {"ranks", status.session.ranks > 0 ? Json(status.session.ranks) : Json()},
               {"started", text_or_null(status.session.started)},
               {"ended", text_or_null(status.session.ended)},
               {"reason", text_or_null(status.session.reason)}};
  json["holder"] = nullptr;
  if (status.holder) {
    json["holder"] = {{"host", status.holder->host},
                      {"process", status.holder->process},
                      {"released", status.holder->released},
                      {"renewed_seconds_ago", status.holder->age}};
  }
  json["steps"] = status.session.planned_steps > 0 ? Json(status.session.planned_steps) : Json();
  json["epochs"] = status.session.planned_epochs > 0 ? Json(status.session.planned_epochs) : Json();
  json["done"] = or_null(run.done);
  json["seconds_left"] = or_null(run.seconds_left);
  json["samples_per_second"] = or_null(metrics.samples_per_second);
  json["figures_seconds_ago"] = metrics.training ? Json(metrics.age) : Json();
  json["stalls"] = stalls(run);
  json["training"] = figures_json(metrics.training);
  json["validation"] = figures_json(metrics.validation);
  json["best"] = figures_json(metrics.best);
  json["problems"] = run.problems;
  return json;
}

std::string printed_json(const Json& json) {
  // In ASCII alone: a terminal obeys what is beyond it (U+009B) as it obeys an escape character.
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace elbow
