// elbow export
#include <filesystem>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/print.h"
#include "base/text.h"
#include "base/version.h"
#include "launch/cli/commands.h"
#include "trainer/model/exported_model.h"
#include "trainer/run/safetensors.h"
#include "trainer/run/saved_model.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

using Json = nlohmann::ordered_json;

constexpr int kArchitectureFormat = 1;
constexpr std::size_t kLargestDescription = 256 << 20;
constexpr const char* kArchitecture = "architecture.json";

struct ExportArguments {
  ModelArguments model;
  std::string output;
};

fs::path path_of(const ExportedPart& part, const fs::path& folder) {
  return folder / (part.name + ".safetensors");
}

bool holds_export(const fs::path& folder) {
  if (!fs::exists(folder / kArchitecture)) return false;
  try {
    const Json json =
        read_versioned_json(folder / kArchitecture, kLargestDescription, kArchitectureFormat);
    return json.contains("elbow") && json.contains("parts");
  } catch (const Error&) {
    return false;
  }
}

// Files that would be lost are somebody's, unless an export left them.
void refuse_foreign_files(const fs::path& folder, const std::vector<ExportedPart>& parts) {
  if (holds_export(folder)) return;
  std::vector<fs::path> paths = {folder / kArchitecture};
  for (const auto& part : parts) paths.push_back(path_of(part, folder));
  for (const auto& path : paths) {
    if (!fs::exists(path)) continue;
    throw ConfigError(fmt::format(
        "--output {}: {} is there already, and no export of 'elbow export' wrote it; choose "
        "another folder, or move it away",
        folder.string(), path.filename().string()));
  }
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (fs::is_directory(folder)) return;
  throw Error(fmt::format("{}: the folder cannot be made: {}; choose another with --output DIR",
                          folder.string(),
                          error ? error.message() : "there is a file of this name"));
}

Json architecture_file(const ExportArguments& arguments, const SavedModel& saved,
                       const Json& architecture) {
  Json json = {{"format_version", kArchitectureFormat},
               {"elbow", kVersion},
               {"parameters", arguments.model.parameters},
               {"parameters_hash", saved.parameters_hash}};
  json.update(architecture);
  return json;
}

void say(const fs::path& path, const std::string& what) {
  print(fmt::format("{}  {}\n", path.string(), what));
}

// architecture.json comes first: what follows is then known to be an export's, also where it was
// cut off. Each file names the parameters that it is of.
void write(const ExportArguments& arguments, const SavedModel& saved, const ExportedModel& exported,
           const fs::path& folder) {
  const Json json = architecture_file(arguments, saved, exported.architecture);
  write_file_atomically(folder / kArchitecture, json.dump(1) + "\n");
  say(folder / kArchitecture, exported.architecture["summary"].get<std::string>());
  for (const auto& part : exported.parts) {
    const fs::path path = path_of(part, folder);
    save_safetensors(path, part.tensors,
                     {{"format", "pt"}, {"parameters_hash", saved.parameters_hash}});
    std::int64_t numbers = 0;
    for (const auto& [name, tensor] : part.tensors) numbers += tensor.numel();
    say(path,
        fmt::format("{}, {}", counted(static_cast<std::int64_t>(part.tensors.size()), "tensor"),
                    counted(numbers, "number")));
  }
}

void run_export(const ExportArguments& arguments) {
  const RunPaths paths = require_run(arguments.model.run);
  const fs::path folder =
      arguments.output.empty() ? paths.root / "export" : fs::path(arguments.output);
  const SavedModel saved = load_model(paths, arguments.model.parameters, arguments.model.own);
  const ExportedModel exported = exported_model(saved.file, *saved.procedure);
  make_folder(folder);
  refuse_foreign_files(folder, exported.parts);
  write(arguments, saved, exported, folder);
  print(fmt::format(
      "Python reads the tensors with safetensors.torch.load_file('{}'); {} says what is computed "
      "of them (docs/formats.md, Export)\n",
      path_of(exported.parts.front(), folder).string(), kArchitecture));
}

}  // namespace

void add_export_command(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = program.add_subcommand(
      "export",
      "Write a trained model for other programs: tensors, and what is computed of them.\n\n"
      "  elbow export runs/first --output first-model");
  add_model_options(*command, arguments->model);
  command->add_option("--output", arguments->output, "folder [RUN/export]")->type_name("DIR");
  command->callback(
      [arguments, &action] { action = on_rank_0([arguments] { run_export(*arguments); }); });
}

}  // namespace elbow
