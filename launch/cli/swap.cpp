// elbow swap
#include <algorithm>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "data/loader.h"
#include "data/permutation.h"
#include "launch/cli/commands.h"
#include "launch/cli/image_output.h"
#include "launch/cli/used_model.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/pictures.h"

namespace elbow {
namespace {

struct SwapArguments {
  UseArguments use;
  std::int64_t count = 6;
  std::vector<std::int64_t> contents;
  std::vector<std::int64_t> classes;
};

void require_condition(const UsedModel& model) {
  if (model.conditioning().size() > 0) return;
  throw ConfigError(fmt::format(
      "the model in {} is conditioned on nothing, so its code holds class and content alike and "
      "neither can be swapped alone; train one with --model.kind cvae or lord and --data.labels",
      model.run));
}

// Of random samples those whose labels differ from those before, as far as there are any; without
// labels any.
std::vector<std::int64_t> different_classes(const GivenData& given, const Permutation& order,
                                            std::int64_t first, std::int64_t count) {
  constexpr std::int64_t kTriedEach = 100;
  std::vector<std::int64_t> chosen;
  std::vector<std::int64_t> others;
  std::set<std::vector<double>> met;
  const std::int64_t tried = std::min(order.size(), count * kTriedEach);
  for (std::int64_t i = 0; i < tried; ++i) {
    if (static_cast<std::int64_t>(chosen.size()) == count) break;
    const std::int64_t index = order((first + i) % order.size());
    Batch batch;
    batch.indices = {index};
    if (given.labels) fill_batch(given.data, &*given.labels, batch);
    const bool different = !given.labels || met.insert(batch.labels).second;
    (different ? chosen : others).push_back(index);
  }
  for (const std::int64_t index : others) {
    if (static_cast<std::int64_t>(chosen.size()) == count) break;
    chosen.push_back(index);
  }
  return chosen;
}

// Fills in at random what was not asked for.
void choose_samples(SwapArguments& arguments, const UsedModel& model) {
  const DataSet& data = model.given->data;
  require_samples(arguments.contents, data, "--contents");
  require_samples(arguments.classes, data, "--classes");
  const Permutation order(data.size(), model.noise().key(Purpose::kSampling), 0);
  const std::int64_t count = std::min(arguments.count, data.size());
  if (arguments.contents.empty()) {
    for (std::int64_t i = 0; i < count; ++i) arguments.contents.push_back(order(i));
  }
  if (arguments.classes.empty()) {
    arguments.classes = different_classes(*model.given, order, count, count);
  }
}

// Originals that give the class above, those that give the content at the left.
Image table_picture(const Observation& observation, const torch::Tensor& contents,
                    const torch::Tensor& classes, const torch::Tensor& x) {
  const auto content_cells = to_images(observation, contents);
  const auto class_cells = to_images(observation, classes);
  const auto cells = to_images(observation, x);
  std::vector<Image> all = {empty_cell(content_cells[0])};
  all.insert(all.end(), class_cells.begin(), class_cells.end());
  for (std::size_t row = 0; row < content_cells.size(); ++row) {
    all.push_back(content_cells[row]);
    const auto first = cells.begin() + static_cast<std::ptrdiff_t>(row * class_cells.size());
    all.insert(all.end(), first, first + static_cast<std::ptrdiff_t>(class_cells.size()));
  }
  GridStyle style;
  style.columns = static_cast<int>(class_cells.size()) + 1;
  return grid(all, style);
}

ImageColumn column(const char* name, const std::vector<std::int64_t>& samples,
                   std::function<std::int64_t(std::int64_t)> place) {
  return {name, [&samples, place = std::move(place)](std::span<const std::int64_t> cells) {
            torch::Tensor values =
                torch::empty({static_cast<std::int64_t>(cells.size())}, torch::kLong);
            auto* value = values.data_ptr<std::int64_t>();
            for (const std::int64_t cell : cells) {
              *value++ = samples[static_cast<std::size_t>(place(cell))];
            }
            return values;
          }};
}

// Every content with every class.
CellJob table_of(const UsedModel& model, const SwapArguments& arguments,
                 const EncodedSamples& contents, const EncodedSamples& classes) {
  const auto width = static_cast<std::int64_t>(arguments.classes.size());
  CellJob job;
  job.count = width * static_cast<std::int64_t>(arguments.contents.size());
  job.codes = [&contents, &classes, width](const torch::Tensor& cells) {
    return CellCodes{rows_of(contents.z, cells.floor_divide(width)),
                     rows_of(classes.condition, cells.remainder(width))};
  };
  job.columns = {
      column("content", arguments.contents, [width](std::int64_t cell) { return cell / width; }),
      column("class", arguments.classes, [width](std::int64_t cell) { return cell % width; })};
  job.picture = [&](const torch::Tensor& x) {
    return table_picture(model.observation(), contents.x, classes.x, x);
  };
  return job;
}

void run_swap(SwapArguments arguments, Communicator& comm) {
  const UsedModel model = use_model(comm, arguments.use);
  ImageOutput output;
  together(comm, [&] {
    require_codes(model);
    require_condition(model);
    choose_samples(arguments, model);
    output = image_output(model, arguments.use.output, "swapped", comm.rank() == 0);
    require_few_pictures(
        output,
        static_cast<std::int64_t>((arguments.contents.size() + 1) * (arguments.classes.size() + 1)),
        "--count");
  });
  const std::int64_t block = arguments.use.block;
  const EncodedSamples contents = encode_samples(comm, model, arguments.contents, block);
  const EncodedSamples classes = encode_samples(comm, model, arguments.classes, block);
  write_cells(comm, model, arguments.use, output, table_of(model, arguments, contents, classes));
  if (comm.rank() != 0) return;
  print(fmt::format(
      "the contents of {} (rows: samples {}) with the classes of {} (columns: samples {}): {}\n",
      counted(static_cast<std::int64_t>(arguments.contents.size()), "sample"),
      fmt::join(arguments.contents, ", "),
      counted(static_cast<std::int64_t>(arguments.classes.size()), "sample"),
      fmt::join(arguments.classes, ", "), output.path.string()));
}

}  // namespace

void add_swap_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<SwapArguments>();
  CLI::App* command = program.add_subcommand(
      "swap",
      "Decode the content of some samples with the class of others: a table whose rows are "
      "contents\n"
      "and whose columns are classes, for a model that is conditioned on them.\n\n"
      "  elbow swap runs/lord --data cars.h5:/test/images --count 6");
  add_use_options(*command, arguments->use);
  add_data_options(*command, arguments->use)->required();
  command
      ->add_option("--count", arguments->count,
                   "samples that give the content, and as many that give the class, chosen at "
                   "random [6]")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{100000}))
      ->type_name("N");
  add_seed_option(*command, arguments->use, "the random choice");
  command->add_option("--contents", arguments->contents, "samples that give the content, by number")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("I,J");
  command->add_option("--classes", arguments->classes, "samples that give the class, by number")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
  command
      ->add_option("--output", arguments->use.output,
                   "F.png, or F.h5 for /images, /content and /class [RUN/samples/swapped.png; "
                   "swapped.h5 for samples that are no pictures]")
      ->type_name("FILE");
  command->callback([arguments, &action] {
    action = [arguments](Communicator& comm) { run_swap(*arguments, comm); };
  });
}

}  // namespace elbow
