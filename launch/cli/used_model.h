// What the commands share that put a trained model to use.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "data/batch.h"
#include "data/rows_file.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/fitting_data.h"
#include "launch/cli/samples_of_run.h"
#include "monitoring/progress.h"
#include "trainer/comm/communicator.h"
#include "trainer/evaluation/blocks.h"
#include "trainer/run/saved_model.h"

namespace elbow {

struct UseArguments {
  ModelArguments model;
  std::string data;               // FILE:/path; "" for none
  std::string labels;             // beside it
  std::string mismatch = "stop";  // as data.mismatch, of `data`
  std::string nan = "stop";       // as data.nan, where a command can leave samples out
  std::string output;
  std::int64_t block = 256;
  int threads = 1;
  std::int64_t seed = -1;  // key of the noise; -1: the run's
  GivenOptions job;        // how long ranks wait for each other
};

// RUN and what goes with it, --block, --threads and the options of [job].
void add_use_options(CLI::App& command, UseArguments& arguments);
// --data, --labels and --data.mismatch.
CLI::Option* add_data_options(CLI::App& command, UseArguments& arguments);
// --data.nan, also called --nan; `skipped` says what becomes of a sample that is skipped.
void add_nan_option(CLI::App& command, UseArguments& arguments, const std::string& skipped);
// --seed, of what `key_of` says.
void add_seed_option(CLI::App& command, UseArguments& arguments, const std::string& key_of);

// Which models need --labels beside --data: those that cannot be used without, or all that are
// conditioned on labels, also where they could read them from x.
enum class LabelsOf { kNeeding, kConditioned };

// A trained model, and the data it is given.
struct UsedModel {
  std::string run;
  RunPaths paths;
  SavedModel saved;
  std::uint64_t seed = 1;
  std::optional<GivenData> given;
  std::string data_fingerprint;  // "" without data

  Procedure& procedure() const { return *saved.procedure; }
  const Observation& observation() const { return saved.file.observation; }
  const Conditioning& conditioning() const { return saved.file.conditioning; }
  RunNoise noise() const { return {seed, 0, kEvaluationEpoch}; }

  // x as an evaluation has it, and c where there are labels, where the model is. Refers to the
  // batch.
  Shard shard(const Batch& batch) const;
  // What a file that comes of it says about itself.
  FileAttributes about(const UseArguments& arguments) const;
};

// Collective. On every rank alike, or a SharedError on all: the run's files and the data are
// compared.
UsedModel use_model(Communicator& comm, const UseArguments& arguments,
                    LabelsOf labels = LabelsOf::kNeeding);

// Collective, as above. Gives a model, which was given no data, those of its run; returns which of
// their samples.
SampleRange use_samples_of_run(Communicator& comm, UsedModel& model, RunPart part,
                               LabelsOf labels = LabelsOf::kNeeding);

// Throws ConfigError for a model that has no codes to encode to and to decode.
void require_codes(const UsedModel& model);

// Samples of the data that a model is given, by index, as it sees them.
struct EncodedSamples {
  torch::Tensor x;          // [B, shape...]
  torch::Tensor z;          // [B, D]: the codes' means
  torch::Tensor condition;  // [B, E]; undefined for a model without
};

// Collective: the ranks share the work, and all have the result. Throws as Procedure::encode.
EncodedSamples encode_samples(Communicator& comm, const UsedModel& model,
                              const std::vector<std::int64_t>& indices, std::int64_t block);

// for_each_block, while rank 0 shows how far it is.
void for_each_block_shown(BlockJob job, const std::string& note, const BlockCompute& compute,
                          const BlockSink& sink);

// Throws DataError naming the first sample that holds a NaN or an infinity. `advice`: what to do
// beside repairing it, "" for nothing.
void refuse_not_finite(const Batch& batch, const DataSet& data, const std::string& advice = "");

}  // namespace elbow
