#include "monitoring/report/report.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "base/text.h"
#include "base/version.h"
#include "monitoring/report/log_excerpt.h"
#include "monitoring/report/page.h"
#include "monitoring/report/pictures.h"
#include "monitoring/report/report_input.h"
#include "monitoring/report/training_curves.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;
using Problems = std::vector<std::string>;

constexpr std::size_t kLargestRecord = 16 << 20;     // bytes of run.json
constexpr std::size_t kLargestEvaluation = 1 << 20;  // bytes
constexpr std::size_t kMostEvaluations = 8;          // of a run
constexpr std::size_t kMostCheckpoints = 100;

// The names in a folder that `chosen` accepts, sorted.
std::vector<std::string> names_in(const fs::path& folder,
                                  const std::function<bool(const std::string&)>& chosen) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (chosen(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What `read` makes of a file; null, and a problem, where it is missing or damaged.
Json read_or_note(const fs::path& file, const std::string& if_missing,
                  const std::function<Json()>& read, Problems& problems) {
  try {
    if (is_there(file)) return read();
    if (!if_missing.empty()) {
      problems.push_back(fmt::format("{} is not there: {}", file.string(), if_missing));
    }
  } catch (const Error& error) {
    problems.push_back(error.what());
  }
  return {};
}

void note_refused_lines(const Json& part, const fs::path& file, Problems& problems) {
  if (!part.is_object() || part["lines_refused"] == 0) return;
  problems.push_back(fmt::format("{}: {} left out, which {} no JSON object or too long",
                                 file.string(),
                                 counted(part["lines_refused"].get<std::int64_t>(), "line"),
                                 part["lines_refused"] == 1 ? "is" : "are"));
}

Json evaluations_of(const ReportedRun& run, Problems& problems) {
  const auto names = names_in(run.root, [](const std::string& name) {
    return name.starts_with("evaluation") && name.ends_with(".json");
  });
  if (names.empty()) {
    problems.push_back(fmt::format(
        "no log-likelihood and no errors: 'elbow evaluate {} --data FILE:/path' finds them",
        run.root.string()));
  }
  Json evaluations = Json::array();
  for (const std::string& name : names) {
    if (evaluations.size() == kMostEvaluations) {
      problems.push_back(fmt::format("{}: of {} evaluations the first {} are shown",
                                     run.root.string(), names.size(), kMostEvaluations));
      break;
    }
    const fs::path file = run.root / name;
    Json figures = read_or_note(
        file, "", [&] { return clipped(read_json_file(file, kLargestEvaluation)); }, problems);
    if (figures.is_object())
      evaluations.push_back({{"name", name}, {"figures", std::move(figures)}});
  }
  return evaluations;
}

Json checkpoints_of(const fs::path& folder) {
  auto names = names_in(folder, [](const std::string& name) { return name.starts_with("step-"); });
  if (names.size() > kMostCheckpoints) names.erase(names.begin(), names.end() - kMostCheckpoints);
  return names;
}

Json options_of(const ReportedRun& run) {
  Json options = Json::array();
  for (const ReportedOption& option : run.options) {
    options.push_back({option.key, clipped(option.value), clipped(option.default_value)});
  }
  return options;
}

std::string name_of(const fs::path& root) {
  const fs::path whole = root.lexically_normal();
  const fs::path name = whole.has_filename() ? whole.filename() : whole.parent_path().filename();
  return name.empty() || name == "." ? fs::absolute(root).parent_path().filename().string()
                                     : name.string();
}

Json read_run(const ReportedRun& run, PictureBudget& budget, Problems& problems) {
  Problems own = run.problems;
  Json json = {{"name", name_of(run.root)}, {"path", run.root.string()}};
  json["record"] = read_or_note(
      run.record, "versions, data and sessions are not known",
      [&] { return clipped(read_json_file(run.record, kLargestRecord)); }, own);
  json["curves"] = read_or_note(
      run.metrics, "there are no curves", [&] { return training_curves(run.metrics); }, own);
  note_refused_lines(json["curves"], run.metrics, own);
  json["log"] = read_or_note(
      run.log, "", [&] { return log_excerpt(run.log); }, own);
  note_refused_lines(json["log"], run.log, own);
  json["evaluations"] = evaluations_of(run, own);
  json["pictures"] = embedded_pictures(run.samples, budget, own);
  if (json["pictures"].empty()) {
    own.push_back(
        fmt::format("no pictures: 'elbow sample {0}' and 'elbow reconstruct {0}' draw some",
                    run.root.string()));
  }
  json["checkpoints"] = checkpoints_of(run.checkpoints);
  json["options"] = options_of(run);
  json["codes"] = run.codes;
  json["problems"] = own;
  problems.insert(problems.end(), own.begin(), own.end());
  return json;
}

}  // namespace

Report make_report(const std::vector<ReportedRun>& runs) {
  if (runs.empty() || runs.size() > kMostReportedRuns) {
    throw ConfigError(fmt::format("a report is of 1 to {} runs, and these are {}",
                                  kMostReportedRuns, runs.size()));
  }
  Report report;
  PictureBudget budget;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  Json document = {{"elbow", kVersion},
                   {"made", std::chrono::duration_cast<std::chrono::seconds>(now).count()},
                   {"runs", Json::array()}};
  for (const ReportedRun& run : runs) {
    document["runs"].push_back(read_run(run, budget, report.problems));
  }
  report.html = page_of(document);
  return report;
}

}  // namespace elbow
