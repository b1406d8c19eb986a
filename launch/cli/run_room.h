// The room that a run needs on disk, compared with what is free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "launch/cli/configuration.h"
#include "trainer/model/procedure.h"
#include "trainer/training/training_set.h"

namespace elbow {

// Bytes; what is small beside tensors (logs, metrics, headers of files) is left out.
struct RunRoom {
  std::uint64_t checkpoint = 0;  // of one
  std::int64_t checkpoints = 1;  // of them at once, at most: those that are kept, and a new one
  std::uint64_t parameters = 0;  // of a file of parameters
  std::uint64_t whole = 0;       // of the run directory at its largest
};

RunRoom room_of_run(const Configuration& configuration, const Procedure& procedure,
                    TrainingSet& set);

// "1.5 MiB a checkpoint, up to 6.9 MiB in all; 1.2 GiB are free in runs" for --dry-run. Without a
// run directory (empty) nothing is said of what is free.
std::string room_text(const RunRoom& room, const std::filesystem::path& run);

// Before a session trains: throws Error where not even one more checkpoint would fit, since the run
// could never be finished, and warns where its room may not suffice to the end.
void require_room(const RunRoom& room, const std::filesystem::path& run);

}  // namespace elbow
