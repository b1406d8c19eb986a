#include "launch/cli/next_steps.h"

#include <cstddef>
#include <exception>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "launch/cli/configuration.h"
#include "launch/cli/job_script.h"
#include "trainer/model/model.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

// What the commands depend on.
struct RunKind {
  bool codes = true;   // there is a z to encode to and decode from
  bool labels = true;  // the model is conditioned on them
  DataOptions data;
};

RunKind kind_of(const fs::path& run) {
  constexpr std::size_t kLargestDescription = 64 << 20;
  constexpr int kFormatVersion = 1;
  const RunPaths paths{run};
  if (!fs::is_regular_file(paths.configuration())) throw CheckpointError("no config.toml");
  const auto json = read_versioned_json(paths.model(), kLargestDescription, kFormatVersion);
  return {kind_has_codes(json.at("model").at("kind").get<std::string>()),
          !json.at("conditioning").is_null(), stored_configuration(paths.configuration()).data};
}

// "--data D --labels L": the validation data where it has a file of its own, else that of the
// training; "" where there are several parts, which are no one argument.
std::string data_arguments(const RunKind& kind) {
  const DataOptions& data = kind.data;
  const bool own = validation_is_file(data);
  if (!own && data.train.size() != 1) return "";
  Words words = {"--data", own ? data.validation : data.train.front()};
  const std::string& labels = own ? data.validation_labels : data.labels;
  if (kind.labels && !labels.empty()) words.insert(words.end(), {"--labels", labels});
  return shell_words(words);
}

}  // namespace

std::vector<std::string> commands_after_training(const fs::path& run) {
  const std::string name = shell_word(run.string());
  std::vector<std::string> commands = {fmt::format("elbow sample {}", name),
                                       fmt::format("elbow report {}", name)};
  try {
    const RunKind kind = kind_of(run);
    const std::string data = data_arguments(kind);
    commands.insert(commands.begin(),
                    fmt::format("elbow evaluate {} {}", name,
                                validation_is_file(kind.data) ? data : "--training"));
    if (!kind.codes) return commands;
    commands.push_back(fmt::format("elbow reconstruct {}", name));
    if (!data.empty()) commands.push_back(fmt::format("elbow encode {} {}", name, data));
  } catch (const std::exception& error) {
    // A run whose files cannot be read has greater troubles.
    log::debug("no commands with data: {}", error.what());
  }
  return commands;
}

}  // namespace elbow
