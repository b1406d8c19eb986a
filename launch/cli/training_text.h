// What a training tells the person who started it.
#pragma once

#include <string>

#include "launch/cli/configuration.h"
#include "trainer/model/model.h"
#include "trainer/training/job.h"
#include "trainer/training/training_set.h"

namespace elbow {

std::string data_text(TrainingSet& set);

// Bytes that the parameters of a model take in its training: with their gradients, the optimiser's
// moments, the running mean and the sums in the making.
double state_bytes(const TrainingOptions& training, const ModelDescription& model);

// Throws Error where a training whose state takes so many bytes a rank cannot fit into this
// machine's memory: the kernel would hand it out, and kill the program once it is used.
void require_memory(double state_bytes);

// What --dry-run shows: networks, measure, data, job, steps, memory.
std::string plan_text(const Configuration& configuration, const Procedure& procedure,
                      const Observation& observation, TrainingSet& set, int ranks);

// Whether nothing is left to do.
bool is_finished(TrainingEnd end);

// "finished", "stopped by a signal"
std::string end_text(TrainingEnd end);

// Logs what a session did: `samples` of them in `seconds`.
void log_summary(TrainingEnd end, const TrainingRecord& record, std::int64_t samples,
                 double seconds);

// Logs the commands that come next.
void log_next_steps(const std::string& run, const std::filesystem::path& parameters);

}  // namespace elbow
