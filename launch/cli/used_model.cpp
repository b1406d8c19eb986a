#include "launch/cli/used_model.h"

#include <fmt/format.h>
#include <torch/utils.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/walks.h"

namespace elbow {
namespace {

constexpr std::int64_t kOutputFormat = 1;
constexpr std::size_t kLargestRunFile = 256 << 20;

bool needs_labels(const UsedModel& model, LabelsOf labels) {
  if (model.conditioning().size() == 0) return false;
  return labels == LabelsOf::kConditioned || !model.procedure().condition_from_x();
}

std::string file_hash(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return "none, as there is no such file";
  return hash_hex(read_file(path, kLargestRunFile));
}

// What ranks that read the run directory by themselves must have found in it.
Facts facts_of(const UsedModel& model) {
  return {{"the hash of " + model.paths.model().string(), file_hash(model.paths.model())},
          {"the hash of " + model.paths.configuration().string(),
           file_hash(model.paths.configuration())},
          {"the hash of the parameters", model.saved.parameters_hash}};
}

// Takes the data after they have been found to be the same on all ranks.
void agree_on_data(Communicator& comm, UsedModel& model) {
  Facts facts;
  together(comm, [&] {
    if (!model.given) return;
    facts = model.given->facts();
    model.data_fingerprint = model.given->fingerprint();
  });
  require_same(comm, facts);
}

}  // namespace

void add_use_options(CLI::App& command, UseArguments& arguments) {
  add_model_options(command, arguments.model);
  command
      .add_option("--block", arguments.block,
                  fmt::format("samples computed at a time by one rank; part of the results' last "
                              "bits [{}]",
                              arguments.block))
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->type_name("N");
  command.add_option("--threads", arguments.threads, "threads of a rank [1]")
      ->check(CLI::Range(1, 1024));
  add_job_options(command, arguments.job);
}

CLI::Option* add_data_options(CLI::App& command, UseArguments& arguments) {
  command
      .add_option("--labels", arguments.labels,
                  "labels beside --data, for a model conditioned on them")
      ->type_name("DATA");
  command
      .add_option("--data.mismatch", arguments.mismatch,
                  "what --data does whose values are on another scale than those trained on: stop, "
                  "or give a warning [stop]")
      ->check(CLI::IsMember({"stop", "warn"}));
  return command.add_option("--data", arguments.data, "FILE:/path, or a pattern of files")
      ->type_name("DATA");
}

void add_nan_option(CLI::App& command, UseArguments& arguments, const std::string& skipped) {
  command
      .add_option("--data.nan,--nan", arguments.nan,
                  fmt::format("stop at a sample with a NaN, or skip it{} [stop]", skipped))
      ->check(CLI::IsMember({"stop", "skip"}));
}

void add_seed_option(CLI::App& command, UseArguments& arguments, const std::string& key_of) {
  command.add_option("--seed", arguments.seed, "key of " + key_of + " [the run's]")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SEED");
}

Shard UsedModel::shard(const Batch& batch) const {
  const at::Device device = procedure().parameters().at(0).device();
  Shard shard{observation().x(batch, noise()).to(device), batch.indices};
  if (given && given->labels) shard.c = conditioning().c(batch).to(device);
  return shard;
}

FileAttributes UsedModel::about(const UseArguments& arguments) const {
  FileAttributes about;
  if (given) {
    about.text = {{"data", arguments.data.empty() ? given->data.name() : arguments.data},
                  {"data_fingerprint", data_fingerprint}};
  }
  about.text.emplace_back("parameters", arguments.model.parameters);
  about.text.emplace_back("parameters_hash", saved.parameters_hash);
  about.numbers = {{"format_version", kOutputFormat},
                   {"seed", static_cast<std::int64_t>(seed)},
                   {"block", arguments.block},
                   {"threads", arguments.threads}};
  return about;
}

UsedModel use_model(Communicator& comm, const UseArguments& arguments, LabelsOf labels) {
  torch::set_num_threads(arguments.threads);
  limit_waits(comm, arguments.job);
  std::optional<UsedModel> model;
  Facts facts;
  together(comm, [&] {
    const RunPaths paths = require_run(arguments.model.run);
    SavedModel saved = load_model(paths, arguments.model.parameters, arguments.model.own);
    const std::uint64_t seed =
        arguments.seed < 0 ? saved.record.seed : static_cast<std::uint64_t>(arguments.seed);
    model.emplace(UsedModel{arguments.model.run, paths, std::move(saved), seed, std::nullopt, ""});
    facts = facts_of(*model);
    if (arguments.data.empty()) return;
    model->given.emplace(open_data(arguments.data, arguments.labels, model->observation(),
                                   needs_labels(*model, labels)));
    if (comm.rank() != 0) return;
    require_same_scale(model->given->data, model->observation().rows(),
                       mismatch_of(arguments.mismatch));
  });
  require_same(comm, facts);
  agree_on_data(comm, *model);
  return std::move(*model);
}

SampleRange use_samples_of_run(Communicator& comm, UsedModel& model, RunPart part,
                               LabelsOf labels) {
  SampleRange range;
  together(comm, [&] {
    SamplesOfRun samples = samples_of_run(model.paths, model.saved, part);
    if (!needs_labels(model, labels)) samples.given.labels.reset();
    model.given.emplace(std::move(samples.given));
    range = std::move(samples.range);
  });
  agree_on_data(comm, model);
  return range;
}

void require_codes(const UsedModel& model) {
  if (has_codes(model.procedure())) return;
  throw ConfigError(fmt::format(
      "the model in {} is a {}, which has no codes to encode to or to decode; use one with latent "
      "variables, for example 'vae' ('elbow sample' and 'elbow evaluate' work with this one)",
      model.run, model.saved.file.options.kind));
}

EncodedSamples encode_samples(Communicator& comm, const UsedModel& model,
                              const std::vector<std::int64_t>& indices, std::int64_t block) {
  const torch::NoGradGuard no_grad;
  const SampleRange range{static_cast<std::int64_t>(indices.size()),
                          [&](std::int64_t i) { return indices[static_cast<std::size_t>(i)]; }};
  const GivenData& given = *model.given;
  std::vector<BlockRows> parts;  // of each of x, z, condition
  const auto compute = [&](const Batch& batch) {
    refuse_not_finite(batch, given.data);
    const Shard shard = model.shard(batch);
    BlockRows rows = {shard.x, model.procedure().encode(shard).mean};
    const torch::Tensor condition = model.procedure().condition(shard);
    if (condition.defined()) rows.push_back(condition);
    return rows;
  };
  for_each_block_shown({comm, range, block, &given.data, given.labels_or_null(), Receivers::kAll},
                       "encoding", compute, [&](auto, const BlockRows& rows) {
                         parts.resize(rows.size());
                         for (std::size_t i = 0; i < rows.size(); ++i) parts[i].push_back(rows[i]);
                       });
  return {torch::cat(parts[0]), torch::cat(parts[1]),
          parts.size() > 2 ? torch::cat(parts[2]) : torch::Tensor()};
}

void for_each_block_shown(BlockJob job, const std::string& note, const BlockCompute& compute,
                          const BlockSink& sink) {
  std::optional<Progress> progress;
  if (job.comm.rank() == 0) progress.emplace(job.range.count, 0);
  job.progress = [&](std::int64_t done) {
    ProgressState state;
    state.samples = done;
    state.note = note;
    progress->update(state);
  };
  for_each_block(job, compute, sink);
  if (progress) progress->finish();
}

void refuse_not_finite(const Batch& batch, const DataSet& data, const std::string& advice) {
  if (batch.not_finite.empty()) return;
  const auto row = static_cast<std::size_t>(batch.not_finite.front());
  const std::int64_t index = batch.indices[row];
  throw DataError(fmt::format("sample {} ({}) holds a NaN or an infinity; repair it{}", index,
                              data.row_name(index), advice));
}

}  // namespace elbow
