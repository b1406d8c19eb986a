// elbow reconstruct
#include <algorithm>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "base/print.h"
#include "base/text.h"
#include "launch/cli/commands.h"
#include "launch/cli/image_output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"

namespace elbow {
namespace {

constexpr std::int64_t kShown = 30;

struct ReconstructArguments {
  UseArguments use;
  std::int64_t count = 0;  // 0: kShown in a picture, all in a table
};

// Rows of originals, each above its reconstructions.
std::vector<Image> interleave(const std::vector<Image>& originals,
                              const std::vector<Image>& reconstructions, std::size_t columns) {
  std::vector<Image> cells;
  for (std::size_t row = 0; row < originals.size(); row += columns) {
    const std::size_t end = std::min(row + columns, originals.size());
    cells.insert(cells.end(), originals.begin() + row, originals.begin() + end);
    // A short last row is filled, so that the reconstructions stay below their originals.
    cells.insert(cells.end(), row + columns - end, empty_cell(originals.front()));
    cells.insert(cells.end(), reconstructions.begin() + row, reconstructions.begin() + end);
  }
  return cells;
}

ImageJob job_of(const UsedModel& model, const ImageOutput& output, const SampleRange& range,
                Communicator& comm) {
  const GivenData& given = *model.given;
  ImageJob job{{comm, range, 0, &given.data, given.labels_or_null()},
               "reconstructing",
               {},
               {{"index",
                 [](std::span<const std::int64_t> indices) {
                   return torch::tensor(std::vector(indices.begin(), indices.end()), torch::kLong);
                 }}},
               {}};
  job.compute = [&](const Batch& batch) {
    refuse_not_finite(batch, given.data);
    const Shard shard = model.shard(batch);
    BlockRows rows = {model.procedure().reconstruct(shard)};
    if (!output.is_table()) rows.push_back(shard.x);
    return rows;
  };
  job.picture = [&](const BlockRows& all) {
    const GridStyle style;
    return grid(
        interleave(to_images(model.observation(), all[1]), to_images(model.observation(), all[0]),
                   static_cast<std::size_t>(style.columns)),
        style);
  };
  return job;
}

void run_reconstruct(const ReconstructArguments& arguments, Communicator& comm) {
  UsedModel model = use_model(comm, arguments.use);
  together(comm, [&] { require_codes(model); });
  SampleRange range = model.given ? first_samples(model.given->data.size())
                                  : use_samples_of_run(comm, model, RunPart::kHeldOut);
  ImageOutput output;
  together(comm, [&] {
    output = image_output(model, arguments.use.output, "reconstructions", comm.rank() == 0);
    const std::int64_t all = output.is_table() ? range.count : kShown;
    range.count = std::min(range.count, arguments.count > 0 ? arguments.count : all);
    require_few_pictures(output, range.count, "--count");
  });
  write_images(model, arguments.use, output, job_of(model, output, range, comm));
  if (comm.rank() != 0) return;
  print(fmt::format("{} of {}, {}the mean of p(x | z) at the mean of its code: {}\n",
                    counted(range.count, "sample"), model.given->data.name(),
                    output.is_table() ? "of each " : "below each ", output.path.string()));
}

}  // namespace

void add_reconstruct_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<ReconstructArguments>();
  CLI::App* command = program.add_subcommand(
      "reconstruct",
      "Show samples of a data set above their reconstructions, or write those of all of them as a\n"
      "data set. The same bytes at any number of ranks.\n\n"
      "  elbow reconstruct runs/first --data fashion.h5:/test/images");
  add_use_options(*command, arguments->use);
  add_data_options(*command, arguments->use)
      ->description("FILE:/path, its first samples [what the run held out]");
  command
      ->add_option("--count", arguments->count,
                   fmt::format("how many [{} in a picture, all in an HDF5 file]", kShown))
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N");
  add_seed_option(*command, arguments->use, "the noise under 8-bit values");
  command
      ->add_option("--output", arguments->use.output,
                   "F.png, or F.h5 for /images and /index [RUN/samples/reconstructions.png; "
                   "reconstructions.h5 for samples that are no pictures]")
      ->type_name("FILE");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_reconstruct(*arguments, comm); };
  });
}

}  // namespace elbow
