// metrics.jsonl as curves.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace elbow {

// {training, validation: as ThinnedRows says, best: the validation whose parameters are kept,
//  last: position of the last line, phases: {data: seconds, ...}, sessions and stages: where each
//  began, lines_refused}. Memory and result are bounded whatever the file's length. Throws Error
//  naming
// the file when it cannot be read.
nlohmann::ordered_json training_curves(const std::filesystem::path& metrics);

}  // namespace elbow
