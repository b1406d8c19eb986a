// elbow interpolate
#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/image_output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"
#include "trainer/evaluation/walks.h"

namespace elbow {
namespace {

struct InterpolateArguments {
  UseArguments use;
  std::vector<std::string> pairs;  // "3:17"
  std::int64_t steps = 8;
  std::string path = "linear";
};

// Samples A, B of each pair, one pair behind the other.
std::vector<std::int64_t> parse_pairs(const std::vector<std::string>& pairs) {
  std::vector<std::int64_t> samples;
  for (const std::string& pair : pairs) {
    const auto ends = split(pair, ':');
    std::int64_t from = 0;
    std::int64_t to = 0;
    if (ends.size() != 2 || !parse_number(ends[0], from) || !parse_number(ends[1], to)) {
      throw ConfigError(fmt::format(
          "--pairs: '{}' is not two samples by number, such as 3:17 (several: 3:17,5:40)", pair));
    }
    samples.insert(samples.end(), {from, to});
  }
  return samples;
}

// A great circle is a way through codes that lie around 0 in all directions.
void require_path(const InterpolateArguments& arguments, const UsedModel& model) {
  if (arguments.path == "linear") return;
  const auto axes = latent_axes(model.procedure());
  const bool round = std::all_of(axes.begin(), axes.end(), [](const LatentAxis& axis) {
    return axis.categories == 0 && std::isinf(axis.limit);
  });
  if (round) return;
  throw ConfigError(fmt::format(
      "--path spherical: codes under the prior '{}' have bounds, which a circle leaves; use linear",
      model.saved.file.options.prior));
}

// [pairs * steps, ...] between the rows 2 i and 2 i + 1 of `ends`; undefined as `ends` is.
torch::Tensor all_between(const torch::Tensor& ends, std::int64_t steps, Path path) {
  if (!ends.defined()) return ends;
  std::vector<torch::Tensor> rows;
  for (std::int64_t i = 0; i < ends.size(0); i += 2) {
    rows.push_back(between(ends[i], ends[i + 1], steps, path));
  }
  return torch::cat(rows);
}

// Each row: A, what lies between, B.
Image picture(const Observation& observation, const torch::Tensor& ends, const torch::Tensor& x,
              std::int64_t steps) {
  const auto originals = to_images(observation, ends);
  const auto decoded = to_images(observation, x);
  std::vector<Image> cells;
  for (std::size_t pair = 0; pair < originals.size() / 2; ++pair) {
    cells.push_back(originals[2 * pair]);
    const auto first = decoded.begin() + static_cast<std::ptrdiff_t>(pair) * steps;
    cells.insert(cells.end(), first, first + steps);
    cells.push_back(originals[2 * pair + 1]);
  }
  GridStyle style;
  style.columns = static_cast<int>(steps) + 2;
  return grid(cells, style);
}

// The cells' numbers are rows of these.
ImageColumn column(const char* name, const torch::Tensor& values) {
  return {name, [values](std::span<const std::int64_t> cells) {
            return values.index_select(
                0, torch::tensor(std::vector(cells.begin(), cells.end()), torch::kLong));
          }};
}

CellJob job_of(const InterpolateArguments& arguments, const UsedModel& model,
               const std::vector<std::int64_t>& samples, const EncodedSamples& ends) {
  const Path path = arguments.path == "linear" ? Path::kLinear : Path::kSpherical;
  const std::int64_t steps = arguments.steps;
  const auto pairs = static_cast<std::int64_t>(samples.size()) / 2;
  const torch::Tensor z = all_between(ends.z, steps, path);
  const torch::Tensor condition = all_between(ends.condition, steps, Path::kLinear);
  const torch::Tensor numbers = torch::tensor(samples, torch::kLong).view({pairs, 2});
  CellJob job;
  job.count = pairs * steps;
  job.codes = [z, condition](const torch::Tensor& cells) {
    return CellCodes{rows_of(z, cells), rows_of(condition, cells)};
  };
  job.columns = {column("from", numbers.select(1, 0).repeat_interleave(steps)),
                 column("to", numbers.select(1, 1).repeat_interleave(steps)),
                 column("share", torch::linspace(0, 1, steps, torch::kDouble).repeat({pairs}))};
  job.picture = [&model, x = ends.x, steps](const torch::Tensor& decoded) {
    return picture(model.observation(), x, decoded, steps);
  };
  return job;
}

void run_interpolate(const InterpolateArguments& arguments, Communicator& comm) {
  const UsedModel model = use_model(comm, arguments.use);
  std::vector<std::int64_t> samples;
  ImageOutput output;
  together(comm, [&] {
    require_codes(model);
    samples = parse_pairs(arguments.pairs);
    require_samples(samples, model.given->data, "--pairs");
    require_path(arguments, model);
    output = image_output(model, arguments.use.output, "interpolated", comm.rank() == 0);
    require_few_pictures(
        output, static_cast<std::int64_t>(samples.size()) / 2 * (arguments.steps + 2), "--steps");
  });
  const EncodedSamples ends = encode_samples(comm, model, samples, arguments.use.block);
  write_cells(comm, model, arguments.use, output, job_of(arguments, model, samples, ends));
  if (comm.rank() != 0) return;
  print(fmt::format("{} {} between the codes of each pair, {}: {}\n", arguments.steps,
                    output.is_table() ? "images" : "pictures", arguments.path,
                    output.path.string()));
}

}  // namespace

void add_interpolate_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<InterpolateArguments>();
  CLI::App* command = program.add_subcommand(
      "interpolate",
      "Decode what lies between the codes of two samples: in each row sample A, the steps from "
      "its\n"
      "code to that of B, sample B. What a model is conditioned on changes evenly along the "
      "way.\n\n"
      "  elbow interpolate runs/first --data fashion.h5:/test/images --pairs 3:17,5:40");
  add_use_options(*command, arguments->use);
  add_data_options(*command, arguments->use)->required();
  command->add_option("--pairs", arguments->pairs, "samples by number: A:B, or several")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->required()
      ->type_name("A:B,C:D");
  command
      ->add_option("--steps", arguments->steps,
                   "decoded from A to B; the first and the last are their reconstructions [8]")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{10000}))
      ->type_name("N");
  command
      ->add_option("--path", arguments->path,
                   "from code to code in a straight line, or spherical: along a great circle "
                   "[linear]")
      ->check(CLI::IsMember({"linear", "spherical"}));
  command
      ->add_option("--output", arguments->use.output,
                   "F.png, or F.h5 for /images, /from, /to, /share [RUN/samples/interpolated.png; "
                   "interpolated.h5 for samples that are no pictures]")
      ->type_name("FILE");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_interpolate(*arguments, comm); };
  });
}

}  // namespace elbow
