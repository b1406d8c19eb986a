// elbow data: what happens to files before training.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include "base/text.h"
#include "data/idx.h"
#include "data/inspect.h"
#include "launch/cli/commands.h"

namespace elbow {
namespace {

void run_import(const IdxImport& import) {
  const std::vector<Imported> written = import_idx(import);
  const std::string file = import.output.string();
  std::cout << "written to " << file << "\n";
  for (const Imported& data_set : written) {
    std::cout << fmt::format("  {:<20} {}\n", data_set.path, shape_text(data_set.shape));
  }
  std::cout << fmt::format("Next: elbow data inspect {}:{}", file, written.front().path)
            << std::endl;
}

void add_import_command(CLI::App& data, Action& action) {
  CLI::App* import = data.add_subcommand("import", "Bring other formats into HDF5");
  import->require_subcommand(1);
  auto arguments = std::make_shared<IdxImport>();
  CLI::App* idx = import->add_subcommand(
      "idx",
      "IDX files (MNIST, Fashion-MNIST, EMNIST ...), plain or .gz, into an HDF5 file as\n"
      "/SPLIT/images and /SPLIT/labels. The file is written under another name, checked and then\n"
      "renamed; other groups in it are kept.\n\n"
      "  elbow data import idx --images train-images-idx3-ubyte.gz \\\n"
      "    --labels train-labels-idx1-ubyte.gz --output fashion.h5 --split train");
  idx->add_option("--images", arguments->images, "IDX file of images")
      ->required()
      ->type_name("FILE");
  idx->add_option("--labels", arguments->labels, "IDX file of labels, one for each image")
      ->type_name("FILE");
  idx->add_option("--output", arguments->output, "HDF5 file to make or to add to")
      ->required()
      ->type_name("FILE");
  idx->add_option("--split", arguments->split, "group to write [train]")->type_name("NAME");
  idx->add_flag("--replace", arguments->replace, "replace the group if it is there already");
  idx->callback(
      [arguments, &action] { action = on_rank_0([arguments] { run_import(*arguments); }); });
}

void add_inspect_command(CLI::App& data, Action& action) {
  struct Arguments {
    std::string target;
    InspectOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = data.add_subcommand(
      "inspect",
      "What lies in an HDF5 file: data sets, shapes, types, chunks and filters, the range of\n"
      "values, NaNs, how fast it reads in training order, and what to do when that is slow.\n\n"
      "  elbow data inspect fashion.h5\n"
      "  elbow data inspect fashion.h5:/train/images");
  command->add_option("DATA", arguments->target, "FILE, or FILE:/path for one data set")
      ->required();
  command
      ->add_option("--window", arguments->options.window,
                   "samples mixed at a time, as data.window in training [8192]")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--rows", arguments->options.value_rows,
                   "rows whose values are looked at, at most [10000]")
      ->check(CLI::PositiveNumber);
  command->callback([arguments, &action] {
    action = on_rank_0(
        [arguments] { std::cout << inspect(arguments->target, arguments->options) << std::flush; });
  });
}

}  // namespace

void add_data_command(CLI::App& program, Action& action) {
  CLI::App* data = program.add_subcommand("data", "Import and inspect data");
  data->require_subcommand(1);
  add_import_command(*data, action);
  add_inspect_command(*data, action);
}

}  // namespace elbow
