// What killed processes leave behind of the files that they were making (base/atomic_file.h).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace elbow {

// What this process's temporary files have behind the name of the file that is made: ".tmp-" and
// what is_gone() needs to know of the process, ".tmp-4711-8839302-1a2b3c4d".
std::string temporary_ending();

// Whether a file's name ends so, by any process, or as an older version wrote it (".tmp-4711").
bool is_temporary_name(std::string_view name);

// Removes what is left of the making of `path` by processes that are gone. Those of other machines
// and containers cannot be judged, and keep theirs.
void remove_abandoned(const std::filesystem::path& path);

}  // namespace elbow
