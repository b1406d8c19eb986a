// The training loop: one step, front to back, until the course is run or something ends it.
#pragma once

#include "trainer/training/job.h"

namespace elbow {

// Collective. Trains the state from where it is, in place, through the stages of its procedure.
// With training.sum "reproducible" the same bits at any number of ranks; with "fast" for the same
// number of them, and agreement to rounding otherwise. When it returns, the last state is on disk,
// or the outcome that was reported last says why it is not. Throws SharedError when a sample is not
// finite (unless told to skip it), when the objective is no longer finite, or when the ranks'
// parameters differ.
TrainingEnd train(const TrainingJob& job);

}  // namespace elbow
