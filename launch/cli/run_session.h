// Rank 0's part of a training: what the run directory holds before, during and after a session.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "launch/cli/configuration.h"
#include "trainer/model/model.h"
#include "trainer/run/run_directory.h"
#include "trainer/training/batches.h"
#include "trainer/training/job.h"
#include "trainer/training/reporter.h"

namespace elbow {

// Throws CheckpointError, DataError or ConfigError naming file and remedy.
class RunSession {
 public:
  // Takes the directory. Refuses a configuration that would change the course of the run in it, but
  // for one that makes it longer. `table` is that of `configuration`.
  RunSession(const std::string& run, const Configuration& configuration, const OptionTable& table);

  // Whether nothing is left to do: a run that is extended is not finished any more.
  bool finished() const { return finished_; }
  bool goes_on() const { return checkpoint_.has_value(); }  // from a checkpoint
  const RunPaths& paths() const { return directory_.paths(); }
  Lease& lease() const { return directory_.lease(); }

  // Takes over the newest checkpoint, if there is one. `about` as for begin(): other data are
  // refused, and a record that is not of this course; other versions of the program are worth a
  // warning. Says what becomes of the learning rate where the course is longer than it was.
  void restore(TrainingState& state, const nlohmann::ordered_json& about, const Course& course,
               const Configuration& configuration);

  // The session begins, from where `state` is. `figures`: what those of a step are.
  void begin(const Configuration& configuration, const std::string& toml,
             const nlohmann::ordered_json& about, const ModelFile& model,
             std::vector<FigureKind> figures, TrainingState& state, const Course& course,
             int ranks);

  Reporter& reporter() { return *reporter_; }
  // Throws Error where lines of metrics are not on disk, which a checkpoint after them would lose,
  // and as Lease::require_held() does. From any thread.
  void require_may_save();
  // Writes down a validation, and the parameters when they are the best. A full disk is an error in
  // the log; a lost lease is thrown.
  void note(const ValidationReport& report, TrainingState& state);
  void note(const CheckpointOutcome& outcome) const;
  void end(TrainingEnd end, TrainingState& state);
  // So that run.json says why the session ended; throws nothing.
  void fail(const std::string& reason);

 private:
  void require_longer(const Configuration& configuration, const std::string& changes) const;
  void note_extension(const TrainingRecord& record, const Course& course,
                      const Configuration& configuration);

  RunDirectory directory_;
  bool finished_ = false;
  Configuration before_;  // of the session before; the defaults where there was none
  std::optional<Checkpoint> checkpoint_;  // what the run goes on from, until it does
  std::string changed_;                   // options that differ from those before
  std::string schedule_;                  // what the rate follows, where the course is longer
  std::unique_ptr<Reporter> reporter_;
  std::int64_t first_sample_ = 0;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace elbow
