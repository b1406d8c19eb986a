// The run directory: what a run leaves behind, and what other programs rely on (docs/formats.md).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "trainer/run/lease.h"

namespace elbow {

// Where each thing lies in a run directory.
struct RunPaths {
  std::filesystem::path root;

  std::filesystem::path configuration() const { return root / "config.toml"; }
  std::filesystem::path record() const { return root / "run.json"; }
  std::filesystem::path metrics() const { return root / "metrics.jsonl"; }
  std::filesystem::path log() const { return root / "log.jsonl"; }
  std::filesystem::path model() const { return root / "model.json"; }
  // The parameters to use: the best by validation where there are any, else the last.
  std::filesystem::path parameters() const { return root / "parameters.safetensors"; }
  std::filesystem::path last_parameters() const { return root / "parameters-last.safetensors"; }
  // The running mean of the parameters, where one is kept.
  std::filesystem::path average_parameters() const {
    return root / "parameters-average.safetensors";
  }
  std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  std::filesystem::path consumed() const { return root / "consumed"; }
  std::filesystem::path targets() const { return root / "targets.json"; }
  std::filesystem::path evaluation() const { return root / "evaluation.json"; }
  std::filesystem::path training_evaluation() const { return root / "evaluation-training.json"; }
  std::filesystem::path samples() const { return root / "samples"; }
};

enum class RunState {
  kNew,         // no directory, or an empty one
  kUnfinished,  // begun, and not brought to its end
  kFinished,
};

// What a session sets out to do.
struct SessionPlan {
  int ranks = 1;
  std::int64_t from_step = 0;
  // What the whole run, all sessions together, will have done when it is finished.
  std::int64_t steps = 0;
  std::int64_t epochs = 0;
  std::int64_t samples = 0;
};

// What a session does otherwise than those before it; "" where it does not.
struct SessionChanges {
  std::string options;   // a line each
  std::string schedule;  // what the learning rate follows from here on
};

// A run directory opened by the one process that writes it (rank 0). Holds its lease for its
// lifetime. Throws CheckpointError naming the path.
class RunDirectory {
 public:
  // Creates the directory where there is none. Refuses one that holds something else than a run,
  // and one in which another job is training.
  explicit RunDirectory(const std::filesystem::path& root);
  // A directory that was made for it and in which no session began is removed again.
  ~RunDirectory();

  const RunPaths& paths() const { return paths_; }
  Lease& lease() const { return *lease_; }
  // How files of this directory are written: as long as its lease is held.
  AtomicWrite writer() const;
  RunState state() const;
  std::string stored_configuration() const;  // text of config.toml
  std::string last_reason() const;           // why the last session ended; "" when it did not say

  int last_ranks() const;  // of the last session; 0 when there was none

  // A session begins: stores the configuration and appends {started, ranks, ...} to run.json.
  // `about` holds versions and data fingerprints. A session removes the last parameters of the one
  // before it, and from the beginning (step 0) all that it left. The run is not finished, even if
  // it was: it is extended.
  void begin_session(const std::string& configuration, const nlohmann::ordered_json& about,
                     const SessionPlan& plan, const SessionChanges& changes = {});
  // The session ended; `reason` is "finished", "stopped by a signal", ...
  void end_session(const std::string& reason, bool finished, const nlohmann::ordered_json& result);

 private:
  void store_record();
  void write_text(const std::filesystem::path& path, const std::string& text);

  RunPaths paths_;
  bool created_;
  std::unique_ptr<Lease> lease_;
  nlohmann::ordered_json record_;
};

// The content of run.json: an object with a list of sessions, each an object, and "finished", true
// or false; nothing else of it is sure. Throws CheckpointError naming the file.
nlohmann::ordered_json read_run_record(const std::filesystem::path& root);

// For readers: the paths of an existing run. Throws CheckpointError, saying what to do, when `root`
// holds no run.
RunPaths require_run(const std::filesystem::path& root);

// "2026-01-31T12:00:00Z"
std::string utc_now();

}  // namespace elbow
