// JSON that lies in a run directory, which may be a stranger's.
#pragma once

#include <cstddef>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace elbow {

// An object of format version `version`, from a file of at most `limit` bytes, nested no deeper
// than 32 levels (what reads it may recurse). Throws CheckpointError naming the file.
nlohmann::ordered_json read_json_object(const std::filesystem::path& path, std::size_t limit,
                                        int version);

}  // namespace elbow
