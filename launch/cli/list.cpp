// elbow list
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/run_summary.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/run_directory.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct ListArguments {
  std::string root = ".";
  int depth = 4;
  bool json = false;
};

// The run directories below a folder. What lies inside a run is not looked at, and links are not
// followed.
class Search {
 public:
  explicit Search(int depth) : depth_(depth) {}

  void look(const fs::path& folder, int level = 0) {
    if (looks_like_run(folder)) {
      found_.push_back(folder);
      return;
    }
    if (level == depth_) return;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      if (++seen_ > kMostEntries) {
        throw Error(fmt::format("more than {} entries: give a folder nearer to the runs",
                                human_count(kMostEntries)));
      }
      std::error_code ignored;
      const bool hidden = it->path().filename().string().starts_with('.');
      if (!hidden && it->symlink_status(ignored).type() == fs::file_type::directory) {
        look(it->path(), level + 1);
      }
    }
    if (error) problems_.push_back(fmt::format("{}: {}", folder.string(), error.message()));
  }

  std::vector<fs::path> found() {
    std::sort(found_.begin(), found_.end());
    return found_;
  }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  static constexpr std::int64_t kMostEntries = 1'000'000;

  int depth_;
  std::int64_t seen_ = 0;
  std::vector<fs::path> found_;
  std::vector<std::string> problems_;
};

// The newest that bears the name of a checkpoint; 'elbow status' tells whether it is whole.
std::optional<std::int64_t> last_saved_step(const fs::path& root) {
  const auto steps = list_checkpoints(RunPaths{root}.checkpoints());
  if (steps.empty()) return std::nullopt;
  return steps.front();
}

std::string best_text(const RunSummary& run) {
  const auto& best = run.metrics.best ? run.metrics.best : run.metrics.training;
  if (!best) return "";
  const auto value = best->elbo ? best->elbo : best->log_likelihood;
  if (!value) return "";
  return fmt::format("{:.2f}{}", *value, run.metrics.best ? "" : " (training)");
}

// Of one that cannot be read also what is wrong, with files named as they are in it.
std::string state_text(const RunSummary& run) {
  if (run.status.problem.empty()) return condition_text(run);
  std::string problem = run.status.problem;
  const std::string folder = (run.root / "").string();
  for (auto at = problem.find(folder); at != std::string::npos; at = problem.find(folder)) {
    problem.erase(at, folder.size());
  }
  return fmt::format("{}: {}", condition_text(run), shown_text(problem));
}

using Row = std::vector<std::string>;

Row row_of(const RunSummary& run) {
  const auto saved = last_saved_step(run.root);
  return {shown_text(run.root.string()), progress_text(run), best_text(run),
          saved ? human_count(*saved) : "", state_text(run)};
}

// Columns as wide as what is in them; the last one, the state, may be long.
std::string table_text(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      text += fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += row.back() + "\n";
  }
  return text;
}

void show(const ListArguments& arguments) {
  std::error_code ignored;
  if (!fs::is_directory(arguments.root, ignored)) {
    throw CheckpointError(
        fmt::format("{} is no folder: give one that run directories lie in", arguments.root));
  }
  Search search(arguments.depth);
  search.look(arguments.root);
  const auto found = search.found();
  if (arguments.json) {
    Json runs = Json::array();
    for (const fs::path& root : found) {
      Json json = to_json(summarise_run(root));
      const auto saved = last_saved_step(root);
      json["checkpoint_step"] = saved ? Json(*saved) : Json();
      runs.push_back(std::move(json));
    }
    print(printed_json(runs));
  } else if (!found.empty()) {
    std::vector<Row> rows = {{"run", "progress", "best ELBO", "saved", "state"}};
    for (const fs::path& root : found) rows.push_back(row_of(summarise_run(root)));
    print(table_text(rows));
  }
  for (const std::string& problem : search.problems()) {
    log::warning("{}", problem);
  }
  if (found.empty() && !arguments.json) {
    log::info("no runs in {}, down to {}", arguments.root, counted(arguments.depth, "level"));
  }
}

}  // namespace

void add_list_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App* command = program.add_subcommand(
      "list",
      "The runs below a folder, a line each.\n\n"
      "  elbow list runs\n\n"
      "Progress, the best ELBO by validation in nats per sample, the step last saved, and the "
      "state.\n"
      "It reads files alone; 'elbow status RUN' says more of one. Links and folders whose names\n"
      "begin with a dot are not followed.");
  command->add_option("DIR", arguments->root, "where to look [the working directory]");
  command->add_option("--depth", arguments->depth, "how many folders deep to look [4]")
      ->check(CLI::Range(0, 32));
  command->add_flag("--json", arguments->json, "the same for programs");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { show(*arguments); }); });
}

}  // namespace elbow
