// elbow data: what happens to files before training.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/print.h"
#include "base/text.h"
#include "data/cars3d.h"
#include "data/idx.h"
#include "data/inspect.h"
#include "data/synthetic_import.h"
#include "launch/cli/commands.h"

namespace elbow {
namespace {

void tell(const std::filesystem::path& output, const std::vector<Imported>& written) {
  const std::string file = output.string();
  std::string text = fmt::format("written to {}\n", file);
  for (const Imported& data_set : written) {
    text += fmt::format("  {:<20} {}\n", data_set.path, shape_text(data_set.shape));
  }
  print(text + fmt::format("Next: elbow data inspect {}:{}\n", file, written.front().path));
}

void add_idx_command(CLI::App& import, Action& action) {
  auto arguments = std::make_shared<IdxImport>();
  CLI::App* idx = import.add_subcommand(
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
  idx->callback([arguments, &action] {
    action = on_rank_0([arguments] { tell(arguments->output, import_idx(*arguments)); });
  });
}

// What the importers of a group share.
template <typename Import>
void add_output_options(CLI::App& command, Import& import) {
  command.add_option("--output", import.output, "HDF5 file to make or to add to")
      ->required()
      ->type_name("FILE");
  command.add_option("--group", import.group, "group to write [cars]")->type_name("NAME");
  command.add_flag("--replace", import.replace, "replace the group if it is there already");
}

void add_synthetic_command(CLI::App& import, Action& action) {
  auto arguments = std::make_shared<SyntheticImport>();
  CLI::App* command = import.add_subcommand(
      "synthetic",
      "Pictures of cars that don't exist, from all sides, with the factors they were drawn from:\n"
      "/GROUP/images, labels (indices of model, azimuth, elevation), factors (the same with "
      "angles\n"
      "in degrees) and model_labels. The elevation varies fastest, the model slowest. Body "
      "(saloon,\n"
      "estate, pickup, van), lengths, heights, slants, wheels and colours vary with the model; "
      "the\n"
      "pictures are the same, bit for bit, on every machine.\n\n"
      "  elbow data import synthetic --output cars.h5");
  add_output_options(*command, *arguments);
  command->add_option("--models", arguments->models, "cars, up to 100000 [183]");
  command->add_option("--azimuths", arguments->azimuths, "directions all around, up to 720 [24]");
  command->add_option("--elevations", arguments->elevations,
                      "heights from 5 to 41 degrees, up to 90 [4]");
  command->add_option("--size", arguments->size, "pixels along an edge, 8 to 512 [64]");
  command->add_option("--seed", arguments->seed, "other seeds are other cars [1]");
  command
      ->add_option_function<std::string>(
          "--light",
          [arguments](const std::string& name) {
            arguments->light = name == "scene" ? Light::kScene : Light::kCamera;
          },
          "what the light is fixed to: camera, or scene (opposite sides differ) [camera]")
      ->check(CLI::IsMember({"camera", "scene"}));
  command->add_option("--background", arguments->background,
                      "grey level behind the cars, 0 to 255 [255]");
  command->callback([arguments, &action] {
    action = on_rank_0([arguments] { tell(arguments->output, import_synthetic(*arguments)); });
  });
}

void add_cars3d_command(CLI::App& import, Action& action) {
  auto arguments = std::make_shared<Cars3dImport>();
  CLI::App* command = import.add_subcommand(
      "cars3d",
      "Cars3D (Reed and others 2015) from its archive, or from a folder with its files, as\n"
      "/GROUP/images, labels (indices of model, azimuth, elevation) and model_labels. The "
      "elevation\n"
      "varies fastest, the model slowest, in the order of list.txt. Nothing is unpacked to "
      "disk.\n\n"
      "  elbow data import cars3d --source nips2015-analogy-data.tar.gz --output cars3d.h5");
  command->add_option("--source", arguments->source, "the archive, or a folder that holds list.txt")
      ->required()
      ->type_name("FILE");
  add_output_options(*command, *arguments);
  command->add_option("--size", arguments->size,
                      "pixels along an edge, at most the archive's 128; averages over areas [64]");
  command->callback([arguments, &action] {
    action = on_rank_0([arguments] { tell(arguments->output, import_cars3d(*arguments)); });
  });
}

void add_import_command(CLI::App& data, Action& action) {
  CLI::App* import = data.add_subcommand("import", "Bring other formats into HDF5");
  import->require_subcommand(1);
  add_idx_command(*import, action);
  add_synthetic_command(*import, action);
  add_cars3d_command(*import, action);
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
    action = on_rank_0([arguments] { print(inspect(arguments->target, arguments->options)); });
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
