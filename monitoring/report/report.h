// What became of one or several runs, as a page for people.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace elbow {

// An option of a run, as TOML writes values.
struct ReportedOption {
  std::string key;
  std::string value;
  std::string default_value;
};

// Where a run's files lie, and what only others can read. Any of it may be missing.
struct ReportedRun {
  std::filesystem::path root;
  std::filesystem::path record;       // run.json
  std::filesystem::path metrics;      // metrics.jsonl
  std::filesystem::path log;          // log.jsonl
  std::filesystem::path samples;      // folder of PNG files
  std::filesystem::path checkpoints;  // folder
  std::vector<ReportedOption> options;
  nlohmann::ordered_json codes;       // of a CodeSummary, or null
  std::vector<std::string> problems;  // what could not be read, and what to do about it
};

inline constexpr std::size_t kMostReportedRuns = 16;

struct Report {
  std::string html;
  std::vector<std::string> problems;  // what it lacks, each naming file and remedy
};

// Reads every run's files, with limits, since they may be a stranger's; what is missing or damaged
// is said in the report. Of at least one run and at most kMostReportedRuns.
Report make_report(const std::vector<ReportedRun>& runs);

}  // namespace elbow
