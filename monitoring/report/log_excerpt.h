// log.jsonl, cut down to what a person reads.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace elbow {

// {warnings, errors: how many there are, lines_refused,
//  lines: [{time, level, rank, message}]: the last ones, warnings and errors kept longest}. Throws
// Error naming the file when it cannot be read.
nlohmann::ordered_json log_excerpt(const std::filesystem::path& log);

}  // namespace elbow
