// The samples that a run was made with, for a command that is given no other data.
#pragma once

#include "launch/cli/fitting_data.h"
#include "trainer/evaluation/blocks.h"
#include "trainer/run/run_directory.h"

namespace elbow {

enum class RunPart { kTraining, kHeldOut };

struct SamplesOfRun {
  GivenData given;    // what data.train (or data.validation) names, and its labels where there are
  SampleRange range;  // of it; indices are global, as in training
};

// What the run trained on or what it held out; of a run that held out nothing, what it trained on.
// Opens the files that the run's configuration names: throws DataError, ConfigError where they are
// not there any more, or are not what they were.
SamplesOfRun samples_of_run(const RunPaths& paths, const SavedModel& saved, RunPart part);

}  // namespace elbow
