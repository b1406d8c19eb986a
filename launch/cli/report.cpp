// elbow report
#include "monitoring/report/report.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "data/data_set.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/output.h"
#include "monitoring/report/code_summary.h"
#include "trainer/run/run_directory.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostUnits = 4096;                     // of a code
constexpr std::int64_t kMostNumbers = std::int64_t{1} << 28;  // read of the codes
constexpr std::int64_t kNumbersAtOnce = std::int64_t{1} << 20;

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output;
};

// A directory may be reported on whatever is left of a run in it, but not one that is no run's.
void require_some_run(const RunPaths& paths) {
  if (fs::exists(paths.record()) || fs::exists(paths.configuration()) ||
      fs::exists(paths.metrics())) {
    return;
  }
  require_run(paths.root);  // says what to do
}

std::vector<ReportedOption> options_of(const fs::path& file) {
  Configuration defaults;
  const OptionTable default_table = defaults.table();
  Configuration stored;
  OptionTable table = stored.table();
  table.apply_saved_file(file);
  std::vector<ReportedOption> options;
  for (const Option& option : default_table.options()) {
    options.push_back({option.key, table.find(option.key)->value_toml(), option.value_toml()});
  }
  return options;
}

// KL(q, N(0, 1)) of each unit is the model's own where its prior is the standard normal.
bool has_standard_normal_prior(const std::vector<ReportedOption>& options) {
  const auto value = [&](const char* key) {
    const auto found =
        std::find_if(options.begin(), options.end(),
                     [&](const ReportedOption& option) { return option.key == key; });
    return found == options.end() ? std::string() : found->value;
  };
  const std::string kind = value("model.kind");
  return value("model.prior") == "\"gaussian\"" &&
         (kind == "\"vae\"" || kind == "\"cvae\"" || kind == "\"latent-optimisation\"");
}

// What lies beside the codes, a row for each of theirs; nothing where it is not there or otherwise
// shaped.
std::optional<DataSet> open_classes(const std::string& file, const DataSet& mean) {
  try {
    DataSet labels = DataSet::open({file + ":/labels"}, RowKind::kLabels);
    if (labels.size() == mean.size() && labels.row_elements() == 1) return labels;
  } catch (const DataError&) {
    // Most files of codes have none.
  }
  return std::nullopt;
}

// All of a file's codes, or the first that are not too many.
nlohmann::ordered_json summary_of(const DataSet& mean, const DataSet* deviation,
                                  const DataSet* classes) {
  const std::int64_t units = mean.row_elements();
  if (mean.row_shape().size() != 1 || units < 1 || units > kMostUnits) {
    throw DataError(fmt::format("{} holds rows of shape {}, and codes have 1 to {} units",
                                mean.name(), shape_text(mean.row_shape()), kMostUnits));
  }
  if (deviation != nullptr &&
      (deviation->size() != mean.size() || deviation->row_shape() != mean.row_shape())) {
    throw DataError(fmt::format("{} and {} differ in shape", mean.name(), deviation->name()));
  }
  const std::int64_t count = std::min(mean.size(), kMostNumbers / units);
  CodeSummary summary(count, units);
  const std::int64_t at_once = std::max<std::int64_t>(1, kNumbersAtOnce / units);
  for (std::int64_t first = 0; first < count; first += at_once) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(std::min(at_once, count - first)));
    std::iota(rows.begin(), rows.end(), first);
    std::vector<double> means(rows.size() * static_cast<std::size_t>(units));
    std::vector<double> deviations(deviation != nullptr ? means.size() : 0);
    std::vector<double> labels(classes != nullptr ? rows.size() : 0);
    mean.read(rows, means);
    if (deviation != nullptr) deviation->read(rows, deviations);
    if (classes != nullptr) classes->read(rows, labels);
    summary.add(means, deviations, labels);
  }
  return summary.to_json();
}

nlohmann::ordered_json codes_of(const fs::path& file, bool with_kl) {
  const std::string name = file.string();
  const DataSet mean = DataSet::open({name + ":/mean"}, RowKind::kLabels);
  std::unique_ptr<DataSet> deviation;
  if (with_kl) {
    deviation = std::make_unique<DataSet>(DataSet::open({name + ":/deviation"}, RowKind::kLabels));
  }
  const auto classes = open_classes(name, mean);
  return summary_of(mean, deviation.get(), classes ? &*classes : nullptr);
}

ReportedRun reported_run(const std::string& name) {
  const RunPaths paths{name};
  ReportedRun run{paths.root,  paths.record(),  paths.metrics(),
                  paths.log(), paths.samples(), paths.checkpoints(),
                  {},          nullptr,         {}};
  try {
    run.options = options_of(paths.configuration());
  } catch (const Error& error) {
    run.problems.push_back(fmt::format("the options are not known: {}", error.what()));
  }
  const fs::path codes = paths.root / "codes.h5";
  if (!fs::is_regular_file(fs::symlink_status(codes))) {
    run.problems.push_back(fmt::format(
        "nothing about the codes: 'elbow encode {} --data FILE:/path' writes them", name));
    return run;
  }
  try {
    run.codes = codes_of(codes, has_standard_normal_prior(run.options));
  } catch (const Error& error) {
    run.problems.push_back(fmt::format("nothing about the codes: {}", error.what()));
  }
  return run;
}

fs::path output_of(const ReportArguments& arguments) {
  if (!arguments.output.empty()) return arguments.output;
  return arguments.runs.size() == 1 ? fs::path(arguments.runs.front()) / "report.html"
                                    : fs::path("report.html");
}

void run_report(const ReportArguments& arguments) {
  if (arguments.runs.size() > kMostReportedRuns) {
    throw ConfigError(fmt::format("a report compares at most {} runs, and these are {}",
                                  kMostReportedRuns, arguments.runs.size()));
  }
  for (const std::string& run : arguments.runs) require_some_run(RunPaths{run});
  const fs::path output = output_of(arguments);
  require_writable(output);
  std::vector<ReportedRun> runs;
  for (const std::string& run : arguments.runs) runs.push_back(reported_run(run));
  const Report report = make_report(runs);
  write_file_atomically(output, report.html);
  for (const std::string& problem : report.problems) print(problem + "\n");
  print(fmt::format("{}  {}, {}; open it in a browser\n", output.string(),
                    counted(static_cast<std::int64_t>(runs.size()), "run"),
                    human_bytes(static_cast<double>(report.html.size()))));
}

}  // namespace

void add_report_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = program.add_subcommand(
      "report",
      "Show what became of a run, or compare several, on one page for a browser: curves, figures,\n"
      "pictures, codes, options, and how it went. Reads files only, also of a run that trains.\n\n"
      "  elbow report runs/first\n"
      "  elbow report runs/first runs/second --output comparison.html");
  command->add_option("RUN", arguments->runs, "run directories made by 'elbow train'")->required();
  command
      ->add_option("--output", arguments->output,
                   "HTML file [RUN/report.html; report.html for several runs]")
      ->type_name("FILE");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { run_report(*arguments); }); });
}

}  // namespace elbow
