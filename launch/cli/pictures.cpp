// elbow sample, elbow reconstruct
#include "trainer/evaluation/pictures.h"

#include <iostream>
#include <memory>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "data/loader.h"
#include "launch/cli/commands.h"
#include "launch/cli/configuration.h"
#include "launch/cli/fitting_data.h"
#include "trainer/run/saved_model.h"
#include "trainer/training/training_set.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostPictures = 10000;

struct PictureArguments {
  ModelArguments model;
  std::string data;
  std::string output;
  std::int64_t count = 0;
  std::int64_t seed = -1;  // the run's
  bool draw = false;
  std::string labels;
  std::vector<double> condition;  // the same for all samples; empty: the classes in turn
};

SavedModel load_for_pictures(const PictureArguments& arguments, const RunPaths& paths) {
  SavedModel saved = load_model(paths, arguments.model.parameters, arguments.model.own);
  if (!can_be_shown(saved.file.observation)) {
    throw ConfigError(fmt::format(
        "the run in {} is of samples of shape {}, which are no pictures (1, 3 or 4 channels of "
        "rows and columns)",
        arguments.model.run, shape_text(saved.file.observation.shape())));
  }
  return saved;
}

RunNoise sampling_noise(const PictureArguments& arguments, const SavedModel& saved) {
  return {arguments.seed < 0 ? saved.record.seed : static_cast<std::uint64_t>(arguments.seed), 0,
          kEvaluationEpoch};
}

fs::path output_path(const PictureArguments& arguments, const RunPaths& paths, const char* name) {
  if (!arguments.output.empty()) return arguments.output;
  fs::create_directories(paths.samples());
  return paths.samples() / name;
}

// c of each sample to draw: what was asked for, else the classes in turn.
torch::Tensor sample_conditions(const PictureArguments& arguments, const SavedModel& saved) {
  const Conditioning& conditioning = saved.file.conditioning;
  if (conditioning.size() == 0) {
    if (arguments.condition.empty()) return {};
    throw ConfigError("--condition: the model is conditioned on nothing; leave it out");
  }
  if (!arguments.condition.empty()) {
    const auto row = torch::tensor(arguments.condition, torch::kDouble).unsqueeze(0);
    return conditioning.c(row.expand({arguments.count, row.size(1)}));
  }
  if (!conditioning.is_classes()) {
    throw ConfigError(
        fmt::format("--condition is missing: the model is conditioned on {}, for example "
                    "--condition 0.5,1",
                    conditioning.summary()));
  }
  return conditioning.c(
      torch::arange(arguments.count, torch::kDouble).remainder(conditioning.size()).unsqueeze(1));
}

// Classes in turn stand in columns.
GridStyle sample_style(const PictureArguments& arguments, const Conditioning& conditioning) {
  constexpr std::int64_t kMostColumns = 20;
  GridStyle style;
  const bool in_turn = conditioning.is_classes() && arguments.condition.empty();
  if (in_turn) style.columns = static_cast<int>(std::min(kMostColumns, conditioning.size()));
  return style;
}

void run_sample(const PictureArguments& arguments) {
  torch::NoGradGuard no_grad;
  const RunPaths paths = require_run(arguments.model.run);
  const SavedModel saved = load_for_pictures(arguments, paths);
  std::vector<std::int64_t> indices(static_cast<std::size_t>(arguments.count));
  std::iota(indices.begin(), indices.end(), 0);
  const Show show = arguments.draw ? Show::kDraw : Show::kMean;
  const torch::Tensor x = saved.procedure->sample(indices, sample_conditions(arguments, saved),
                                                  sampling_noise(arguments, saved), show);
  const fs::path output =
      output_path(arguments, paths, arguments.draw ? "samples-draws.png" : "samples.png");
  write_png(output, grid(to_images(saved.file.observation, x),
                         sample_style(arguments, saved.file.conditioning)));
  std::cout << fmt::format("{} {} of p(x | z), z drawn from the prior: {}\n", arguments.count,
                           arguments.draw ? "draws" : "means", output.string());
}

// The data to reconstruct: what was asked for, else what the run held out, else what it trained on.
struct Source {
  DataSet data;
  std::optional<DataSet> labels;  // where the model is conditioned on them
  std::vector<std::int64_t> indices;
};

Source open_source(const PictureArguments& arguments, const RunPaths& paths, bool conditioned) {
  if (!arguments.data.empty()) {
    DataSet data = DataSet::open({arguments.data});
    std::vector<std::int64_t> indices(
        static_cast<std::size_t>(std::min(arguments.count, data.size())));
    std::iota(indices.begin(), indices.end(), 0);
    std::optional<DataSet> labels;
    if (conditioned) labels.emplace(open_labels(arguments.labels, data));
    return {std::move(data), std::move(labels), std::move(indices)};
  }
  Configuration configuration;
  OptionTable table = configuration.table();
  table.apply_file(paths.configuration());
  TrainingSet set(configuration.data, static_cast<std::uint64_t>(configuration.training.seed));
  std::vector<std::int64_t> indices;
  const bool held_out = set.has_validation();
  const std::int64_t available = held_out ? set.validation_count() : set.order().size();
  for (std::int64_t i = 0; i < std::min(arguments.count, available); ++i) {
    indices.push_back(held_out ? set.validation_range().index_of(i) : set.split().training(i));
  }
  std::optional<DataSet> labels;
  if (conditioned) labels.emplace(held_out ? *set.validation_labels() : *set.labels());
  return {held_out ? set.validation_images() : set.images(), std::move(labels), std::move(indices)};
}

Batch read_batch(const Source& source, const ModelFile& model) {
  require_fitting(source.data, model.observation);
  Batch batch;
  batch.indices = source.indices;
  fill_batch(source.data, source.labels ? &*source.labels : nullptr, batch);
  return batch;
}

// Rows of originals, each above its reconstructions.
std::vector<Image> interleave(const std::vector<Image>& originals,
                              const std::vector<Image>& reconstructions, std::size_t columns) {
  std::vector<Image> cells;
  for (std::size_t row = 0; row < originals.size(); row += columns) {
    const std::size_t end = std::min(row + columns, originals.size());
    cells.insert(cells.end(), originals.begin() + row, originals.begin() + end);
    // A short last row is filled, so that the reconstructions stay below their originals.
    Image blank = originals.front();
    blank.pixels.assign(blank.pixels.size(), 255);
    cells.insert(cells.end(), row + columns - end, blank);
    cells.insert(cells.end(), reconstructions.begin() + row, reconstructions.begin() + end);
  }
  return cells;
}

void run_reconstruct(const PictureArguments& arguments) {
  torch::NoGradGuard no_grad;
  const RunPaths paths = require_run(arguments.model.run);
  const SavedModel saved = load_for_pictures(arguments, paths);
  const Observation& observation = saved.file.observation;
  const Source source = open_source(arguments, paths, saved.file.conditioning.size() > 0);
  const Batch batch = read_batch(source, saved.file);
  const torch::Tensor x = observation.x(batch, sampling_noise(arguments, saved));
  const torch::Tensor mean =
      saved.procedure->reconstruct({x, batch.indices, saved.file.conditioning.c(batch)});
  const GridStyle style;
  const fs::path output = output_path(arguments, paths, "reconstructions.png");
  write_png(output, grid(interleave(to_images(observation, x), to_images(observation, mean),
                                    static_cast<std::size_t>(style.columns)),
                         style));
  std::cout << fmt::format(
      "{} samples of {}, below each the mean of p(x | z) at its posterior's "
      "mean: {}\n",
      batch.count(), source.data.name(), output.string());
}

CLI::App* add_picture_command(CLI::App& program, const char* name, const char* description,
                              std::shared_ptr<PictureArguments> arguments) {
  CLI::App* command = program.add_subcommand(name, description);
  add_model_options(*command, arguments->model);
  command->add_option("--count", arguments->count, fmt::format("how many [{}]", arguments->count))
      ->check(CLI::Range(std::int64_t{1}, kMostPictures))
      ->type_name("N");
  command->add_option("--seed", arguments->seed, "key of the noise [the run's]")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SEED");
  return command;
}

}  // namespace

void add_sample_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<PictureArguments>();
  arguments->count = 100;
  CLI::App* command =
      add_picture_command(program, "sample",
                          "Draw new samples from a trained model, as a grid of pictures.\n\n"
                          "  elbow sample runs/first --count 100",
                          arguments);
  command->add_flag("--draw", arguments->draw,
                    "draws from p(x | z), with its noise, instead of its means");
  command
      ->add_option(
          "--condition", arguments->condition,
          "for a conditioned model: the class, or the values, of all samples [each class in "
          "turn]")
      ->delimiter(',')
      ->type_name("C");
  command->add_option("--output", arguments->output, "picture [RUN/samples/samples.png]")
      ->type_name("FILE");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { run_sample(*arguments); }); });
}

void add_reconstruct_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<PictureArguments>();
  arguments->count = 30;
  CLI::App* command =
      add_picture_command(program, "reconstruct",
                          "Show samples of a data set above their reconstructions.\n\n"
                          "  elbow reconstruct runs/first --data fashion.h5:/test/images",
                          arguments);
  command
      ->add_option("--data", arguments->data,
                   "FILE:/path, its first samples [what the run held out]")
      ->type_name("DATA");
  command
      ->add_option("--labels", arguments->labels,
                   "labels beside --data, for a model conditioned on them")
      ->type_name("DATA");
  command->add_option("--output", arguments->output, "picture [RUN/samples/reconstructions.png]")
      ->type_name("FILE");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { run_reconstruct(*arguments); }); });
}

}  // namespace elbow
