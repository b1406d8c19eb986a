// Checkpoints written in the background: a step waits for a copy of the state, not for the disk.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/options.h"
#include "trainer/comm/communicator.h"
#include "trainer/run/checkpoint.h"

namespace elbow {

// [checkpoint]
struct CheckpointOptions {
  std::string every = "10 min";  // an Interval
  std::int64_t keep = 3;         // the newest so many stay
  std::int64_t keep_every = 0;   // and every one whose step is a multiple of it; 0: none
};

void declare(OptionTable& table, CheckpointOptions& options);

// What became of a checkpoint.
struct CheckpointOutcome {
  std::int64_t step = 0;
  std::uint64_t bytes = 0;
  std::string problem;  // "" when it is there
};

// One checkpoint at a time, in two phases: every rank stages its files; when all have, rank 0
// publishes. A thread of its own does the writing; the ranks' agreement is the caller's, who knows
// when they meet: a phase ends for all ranks at the step at which none of them is busy any more.
//
// Collective but for busy(). A failure is no error: the outcome tells, and the checkpoints that
// were there stay.
class CheckpointWriter {
 public:
  // `may_publish` (rank 0) throws when this job may not write in the run directory any more.
  CheckpointWriter(Communicator& comm, std::filesystem::path checkpoints,
                   const CheckpointOptions& options, std::int64_t generation,
                   std::function<void()> may_publish);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // `files` are this rank's; their tensors must not change any more. The manifest lacks only its
  // files and generation; rank 0's is used. Not while one is in the making.
  void begin(Manifest manifest, std::vector<StateFile> files);
  bool in_the_making() const { return phase_ != Phase::kNone; }

  // Whether this rank's thread is writing.
  bool busy() const;
  // When no rank is busy: goes on to the next phase. The outcome at the end of the last.
  std::optional<CheckpointOutcome> advance();
  // Waits for the disk, and for the other ranks, until nothing is in the making.
  std::optional<CheckpointOutcome> finish();

 private:
  enum class Phase { kNone, kStaging, kPublishing };

  void in_background(std::function<void()> work);
  void wait_idle();
  void publish();
  void prune();
  void remove_staged() const;  // rank 0
  CheckpointOutcome end_phase(const std::string& problem);

  Communicator& comm_;
  std::filesystem::path checkpoints_;
  CheckpointOptions options_;
  std::int64_t generation_;
  std::function<void()> may_publish_;
  Phase phase_ = Phase::kNone;
  Manifest manifest_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false;
  std::string problem_;             // of the work done last
  std::vector<StoredFile> staged_;  // by this rank
  std::thread thread_;
};

}  // namespace elbow
