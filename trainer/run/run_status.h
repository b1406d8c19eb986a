// What a run directory says of its run, to someone who only reads files. Any of them may be
// missing, damaged, or a stranger's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace elbow {

enum class RunCondition {
  kEmpty,     // no session has begun in it
  kStarting,  // a job holds it, and its session has not begun
  kRunning,
  kSilent,  // a job holds it and renews its lease no more; whether it lives cannot be told from
            // here
  kFinished,
  kStopped,     // saved and stopped, by a signal or a time limit
  kFailed,      // ended with an error
  kDied,        // ended without a word
  kUnreadable,  // its record is not for this program: of another version, or of another user
  kDamaged,     // its record is not as it was written
};

// "running", as --json names it.
const char* condition_name(RunCondition condition);

// Who holds the directory, or held it last.
struct RunHolder {
  std::string host;
  std::int64_t process = 0;
  bool released = false;
  double age = 0;  // seconds since it renewed its lease
};

// The last one, or none with all of it empty. Times as in run.json: "2026-01-31T12:00:00Z".
struct RunSessionRecord {
  std::string started;
  std::string ended;   // "" while it runs, and where it was killed
  std::string reason;  // why it ended
  std::int64_t ranks = 0;
  // What the whole run has done when it is finished; 0 where the record does not say.
  std::int64_t planned_steps = 0;
  std::int64_t planned_epochs = 0;
  std::int64_t planned_samples = 0;
};

struct RunStatus {
  RunCondition condition = RunCondition::kEmpty;
  std::string problem;  // of an unreadable or damaged one
  std::optional<RunHolder> holder;
  std::int64_t sessions = 0;
  RunSessionRecord session;
  std::string data;  // what it is trained on
};

// Whether a folder is, or looks like, a run's.
bool looks_like_run(const std::filesystem::path& root);

// Never throws for what lies in the directory: that is what `problem` is for.
RunStatus read_run_status(const std::filesystem::path& root);

// A checkpoint that is as it was written.
struct SavedState {
  std::filesystem::path folder;
  std::int64_t step = 0;
  double age = 0;  // seconds since it was written
};

struct SavedStates {
  std::optional<SavedState> newest;  // of those that are whole
  // Newer ones, and what is wrong with each.
  std::vector<std::string> damaged;
  std::vector<std::string> unreadable;  // for this program; they may be whole
};

// Reads every byte of those that it tries. A checkpoint that goes away meanwhile is none.
SavedStates read_saved_states(const std::filesystem::path& checkpoints);

// Seconds since a time such as "2026-01-31T12:00:00Z"; nothing for what is none.
std::optional<double> seconds_since(const std::string& utc);

}  // namespace elbow
