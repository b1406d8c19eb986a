// What a person may do next with a run that is finished.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace elbow {

// Commands that work as they are where the run was started: with the data that it names, and only
// those that its kind of model has. Reads files of the run alone.
std::vector<std::string> commands_after_training(const std::filesystem::path& run);

}  // namespace elbow
