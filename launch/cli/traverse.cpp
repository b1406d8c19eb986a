// elbow traverse
#include <algorithm>
#include <memory>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/given_condition.h"
#include "launch/cli/image_output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"
#include "trainer/evaluation/walks.h"

namespace elbow {
namespace {

constexpr std::size_t kShownLatents = 10;

struct TraverseArguments {
  UseArguments use;
  std::int64_t index = 0;  // of the sample whose code the walk begins at
  std::vector<double> condition;
  std::vector<std::int64_t> latents;  // empty: those that move the picture most
  double from = -3;
  double to = 3;
  std::int64_t steps = 9;
};

// Where the walks begin: z [1, D], condition [1, E] or undefined.
struct Start {
  torch::Tensor z;
  torch::Tensor condition;
};

// One row of the picture.
struct LatentRow {
  LatentAxis axis;
  std::vector<double> stops;
  torch::Tensor codes;    // [stops, D]
  double movement = 0.0;  // root mean square over pixels of the deviation along the walk
};

void require_sense(const TraverseArguments& arguments, const UsedModel& model) {
  require_codes(model);
  if (!(arguments.from < arguments.to)) {
    throw ConfigError(fmt::format("--from {} must be below --to {}", arguments.from, arguments.to));
  }
  if (model.given) {
    require_samples(std::vector{arguments.index}, model.given->data, "--index");
    if (arguments.condition.empty()) return;
    throw ConfigError("--condition: the sample of --data has its own; leave one of both out");
  }
  if (model.procedure().condition_from_x()) {
    throw ConfigError(
        "--data is missing: the model reads its class from a picture; give one with --data and "
        "--index");
  }
  require_condition(arguments.condition, model.conditioning());
}

Start start_of(Communicator& comm, const UsedModel& model, const TraverseArguments& arguments,
               const std::vector<LatentAxis>& axes) {
  if (model.given) {
    const EncodedSamples sample = encode_samples(comm, model, {arguments.index}, 1);
    return {sample.z, sample.condition};
  }
  const torch::NoGradGuard no_grad;
  const std::vector<std::int64_t> indices = {0};
  const torch::Tensor labels = labels_of(indices, arguments.condition, model.conditioning());
  Shard shard{{}, indices};
  if (labels.defined()) shard.c = model.conditioning().c(labels);
  return {central_code(axes).unsqueeze(0),
          labels.defined() ? model.procedure().condition(shard) : torch::Tensor()};
}

// The axis that an entry of z belongs to.
const LatentAxis& axis_of(const std::vector<LatentAxis>& axes, std::int64_t latent) {
  const auto behind =
      std::find_if(axes.begin(), axes.end(), [&](const auto& axis) { return axis.first > latent; });
  if (latent < 0 || latent >= axes.back().first + axes.back().entries()) {
    throw ConfigError(fmt::format("--latents: there is no latent {}; a code has {}, from 0 to {}",
                                  latent, axes.back().first + axes.back().entries(),
                                  axes.back().first + axes.back().entries() - 1));
  }
  return *std::prev(behind);
}

torch::Tensor expand(const torch::Tensor& row, std::int64_t count) {
  return row.defined() ? row.expand({count, row.size(1)}) : row;
}

// Fills in how far each row moves the picture.
void measure(Communicator& comm, const UsedModel& model, const Start& start,
             std::vector<LatentRow>& rows) {
  const torch::NoGradGuard no_grad;
  const auto compute = [&](const Batch& batch) {
    const torch::Tensor& z = rows[static_cast<std::size_t>(batch.indices[0])].codes;
    const auto x = model.procedure().decode(z, expand(start.condition, z.size(0)));
    const auto variance = model.observation().display(x).flatten(1).var(0, /*unbiased=*/false);
    return BlockRows{variance.mean().sqrt().to(torch::kDouble).view({1})};
  };
  BlockJob job{comm, first_samples(static_cast<std::int64_t>(rows.size())), 1};
  job.receivers = Receivers::kAll;
  for_each_block_shown(job, "measuring", compute, [&](auto indices, const BlockRows& movement) {
    rows[static_cast<std::size_t>(indices[0])].movement = movement[0].template item<double>();
  });
}

std::vector<LatentRow> measured_rows(Communicator& comm, const UsedModel& model,
                                     const TraverseArguments& arguments,
                                     const std::vector<LatentAxis>& axes, const Start& start) {
  std::vector<LatentAxis> chosen = axes;
  if (!arguments.latents.empty()) {
    chosen.clear();
    for (const std::int64_t latent : arguments.latents) chosen.push_back(axis_of(axes, latent));
  }
  std::vector<LatentRow> rows;
  for (const LatentAxis& axis : chosen) {
    const auto places = stops(axis, arguments.from, arguments.to, arguments.steps);
    rows.push_back({axis, places, walk(start.z[0], axis, places)});
  }
  measure(comm, model, start, rows);
  if (!arguments.latents.empty()) return rows;
  std::stable_sort(rows.begin(), rows.end(),
                   [](const LatentRow& a, const LatentRow& b) { return a.movement > b.movement; });
  rows.resize(std::min(rows.size(), kShownLatents));
  return rows;
}

// A row a latent, filled where it has fewer places than the others.
Image picture(const UsedModel& model, const std::vector<LatentRow>& rows, const torch::Tensor& x) {
  const auto images = to_images(model.observation(), x);
  std::size_t columns = 0;
  for (const LatentRow& row : rows) columns = std::max(columns, row.stops.size());
  std::vector<Image> cells;
  auto next = images.begin();
  for (const LatentRow& row : rows) {
    const auto end = next + static_cast<std::ptrdiff_t>(row.stops.size());
    cells.insert(cells.end(), next, end);
    cells.insert(cells.end(), columns - row.stops.size(), empty_cell(images.front()));
    next = end;
  }
  GridStyle style;
  style.columns = static_cast<int>(columns);
  return grid(cells, style);
}

CellJob job_of(const UsedModel& model, const Start& start, const std::vector<LatentRow>& rows) {
  std::vector<torch::Tensor> codes;
  auto latents = std::make_shared<std::vector<std::int64_t>>();
  auto values = std::make_shared<std::vector<double>>();
  for (const LatentRow& row : rows) {
    codes.push_back(row.codes);
    latents->insert(latents->end(), row.stops.size(), row.axis.first);
    values->insert(values->end(), row.stops.begin(), row.stops.end());
  }
  const auto at = [](const auto& all, std::span<const std::int64_t> cells) {
    return torch::tensor(
        std::vector(all->begin() + cells.front(), all->begin() + cells.back() + 1));
  };
  CellJob job;
  job.count = static_cast<std::int64_t>(values->size());
  job.codes = [z = torch::cat(codes), start](const torch::Tensor& cells) {
    return CellCodes{rows_of(z, cells), expand(start.condition, cells.size(0))};
  };
  job.columns = {{"latent", [=](auto cells) { return at(latents, cells); }},
                 {"value", [=](auto cells) { return at(values, cells).to(torch::kDouble); }}};
  job.picture = [&](const torch::Tensor& x) { return picture(model, rows, x); };
  return job;
}

std::string row_text(std::size_t number, const LatentRow& row) {
  const LatentAxis& axis = row.axis;
  const std::string what =
      axis.categories > 0
          ? fmt::format("latents {} to {}, one-hot: {} of {} categories", axis.first,
                        axis.first + axis.categories - 1, row.stops.size(), axis.categories)
          : fmt::format("latent {} from {:g} to {:g}", axis.first, row.stops.front(),
                        row.stops.back());
  return fmt::format("  row {:<3} {:<34} moves the picture by {:.4f}\n", number + 1, what,
                     row.movement);
}

void run_traverse(const TraverseArguments& arguments, Communicator& comm) {
  const UsedModel model = use_model(comm, arguments.use);
  std::vector<LatentAxis> axes;
  ImageOutput output;
  together(comm, [&] {
    require_sense(arguments, model);
    axes = latent_axes(model.procedure());
    for (const std::int64_t latent : arguments.latents) (void)axis_of(axes, latent);
    output = image_output(model, arguments.use.output, "traversed", comm.rank() == 0);
    const std::size_t rows = arguments.latents.empty() ? kShownLatents : arguments.latents.size();
    require_few_pictures(output, static_cast<std::int64_t>(rows) * arguments.steps, "--steps");
  });
  const Start start = start_of(comm, model, arguments, axes);
  const std::vector<LatentRow> rows = measured_rows(comm, model, arguments, axes, start);
  write_cells(comm, model, arguments.use, output, job_of(model, start, rows));
  if (comm.rank() != 0) return;
  std::string text = fmt::format("from {}, one latent a row, the others as they were: {}\n",
                                 model.given ? fmt::format("sample {}", arguments.index) : "z = 0",
                                 output.path.string());
  for (std::size_t i = 0; i < rows.size(); ++i) text += row_text(i, rows[i]);
  print(text + "(deviation along the row, root mean square over the pixels of the range 0 to 1)\n");
}

}  // namespace

void add_traverse_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<TraverseArguments>();
  CLI::App* command = program.add_subcommand(
      "traverse",
      "Show what each latent stands for: in each row one of them is moved through its range, and\n"
      "the others stay at the code of a sample, or at z = 0.\n\n"
      "  elbow traverse runs/first --data fashion.h5:/test/images --index 7");
  add_use_options(*command, arguments->use);
  CLI::Option* data = add_data_options(*command, arguments->use);
  data->description("FILE:/path, one of whose samples is the beginning [z = 0]");
  command->add_option("--index", arguments->index, "which of them [0]")
      ->needs(data)
      ->type_name("I");
  command
      ->add_option("--condition", arguments->condition,
                   "without --data, for a conditioned model: the class, or the values [class 0]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("C");
  command
      ->add_option(
          "--latents", arguments->latents,
          fmt::format("entries of z; of a one-hot variable any of its entries [the {} that "
                      "move the picture most]",
                      kShownLatents))
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("I,J");
  command->add_option("--from", arguments->from, "first value, kept to the prior's range [-3]");
  command->add_option("--to", arguments->to, "last value [3]");
  command->add_option("--steps", arguments->steps, "pictures a row, at most [9]")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1000}))
      ->type_name("N");
  command
      ->add_option("--output", arguments->use.output,
                   "F.png, or F.h5 for /images, /latent, /value [RUN/samples/traversed.png; "
                   "traversed.h5 for samples that are no pictures]")
      ->type_name("FILE");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_traverse(*arguments, comm); };
  });
}

}  // namespace elbow
