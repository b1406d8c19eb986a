// Files that tell Prometheus where a job's metrics are: its file-based service discovery.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace elbow {

// A run's name as a file name: letters, digits, '.', '_' and '-', never beginning with '.' or '-',
// at most 100 bytes, never empty; '_' stands for what is left out.
std::string safe_file_name(const std::string& run);

// RUN_DIR/targets.json and, when `folder` is given, an entry FOLDER/RUN.json:
//
//   [{"targets": ["127.0.0.1:41234", "127.0.0.1:41235"],
//     "labels": {"job": "elbow", "run": "first", "__meta_elbow_host": "node1", ...}}]
//
// Prometheus drops labels that begin with "__meta_" once it has relabelled. Here they say whose
// entry it is: those of processes that have ended on this machine are removed from the folder at
// construction. What other machines or other people wrote is left alone, whatever it holds. An
// entry that lives under the same name is not replaced: this one becomes RUN-2.json, with a
// warning.
//
// The label `run` is there for `up`, which no metric of ours carries; the metrics have it too, so a
// scrape configuration says `honor_labels: true`.
//
// One process of a job makes one of these. Monitoring never ends a run: what cannot be written is a
// warning in the log, and nothing here throws. Used by one thread.
class Discovery {
 public:
  // `targets` as MetricsServer::target gives them, in order of rank; those that are empty (ranks
  // that serve nothing) are left out. `folder` is made if only it is missing; "" is none.
  Discovery(const std::string& run, const std::vector<std::string>& targets,
            const std::filesystem::path& run_directory, const std::filesystem::path& folder);

  // Removes the files, unless somebody has put others in their place.
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  const std::vector<std::filesystem::path>& files() const { return files_; }  // those written

 private:
  void write_run_file(const std::filesystem::path& run_directory);
  void write_entry(const std::string& run, const std::filesystem::path& folder);

  std::string text_;
  std::vector<std::filesystem::path> files_;
};

}  // namespace elbow
