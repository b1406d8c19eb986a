// JSON of the run directory, which says of which version its form is.
#pragma once

#include <cstddef>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace elbow {

// As read_json_object; the object's format_version must be `version`. Throws CheckpointError naming
// the file.
nlohmann::ordered_json read_versioned_json(const std::filesystem::path& path, std::size_t limit,
                                           int version);

}  // namespace elbow
