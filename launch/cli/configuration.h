// The whole configuration of a run: every component's options, gathered in one table.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

#include "base/options.h"
#include "data/options.h"
#include "monitoring/options.h"
#include "trainer/comm/watch/job_options.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"
#include "trainer/run/checkpoint_writer.h"
#include "trainer/training/optimizer.h"
#include "trainer/training/options.h"

namespace elbow {

struct Configuration {
  DataOptions data;
  ObservationOptions observation;
  ModelOptions model;
  TrainingOptions training;
  OptimizerOptions optimizer;
  EvaluationOptions evaluation;
  CheckpointOptions checkpoint;
  MetricsOptions metrics;
  JobOptions job;

  // Refers to this object's members: it must stay where it is.
  OptionTable table();
};

// The values a user gave on the command line, option by option, before they are understood.
using GivenOptions = std::map<std::string, std::string>;

// Adds every option of the configuration to a sub-command as --group.option; what is given lands in
// `given`, which must outlive the parsing.
void add_configuration_options(CLI::App& command, GivenOptions& given);

// The options of [job] alone, for commands that ranks share but that no configuration shapes.
void add_job_options(CLI::App& command, GivenOptions& given);

// From here on: how long the ranks wait for each other, as `options` say, or as the environment and
// `given` do. The latter is collective, and throws SharedError, also where the ranks' environments
// set options differently.
void limit_waits(Communicator& comm, const JobOptions& options);
void limit_waits(Communicator& comm, const GivenOptions& given);

// Defaults, then the file (none when empty), the environment, and the command line. Throws
// ConfigError.
void resolve(OptionTable& table, const std::filesystem::path& file, const GivenOptions& given);

// Options that were not given, and whose default follows from others or which the run is older than,
// are what a run's stored configuration (TOML) says: a run keeps the defaults it began with. Throws
// ConfigError.
void keep_defaults_of(const std::string& stored, OptionTable& table);

// The options that differ between a stored configuration (TOML) and `table`, a line each.
struct Difference {
  std::string shaping;  // those that would change the course of the run; "" when none does
  std::string allowed;  // those that may change when a run goes on
};
Difference difference(const std::string& stored, const OptionTable& table);

// Every option with its value.
Facts facts_of(const OptionTable& table);

// As a run's config.toml holds it. Throws ConfigError naming file and option.
Configuration stored_configuration(const std::filesystem::path& file);
// The same of its text.
Configuration parsed_configuration(const std::string& toml, const std::string& origin);

}  // namespace elbow
