// What this machine has, as Linux tells it, and what of it this process may use.
#pragma once

#include <optional>
#include <string>

namespace elbow {

// The value of the first line "key<blanks>: value" of a file such as /proc/cpuinfo.
std::string line_value(const char* path, const std::string& key);

// A limit of the control group this process is in, as of a container or a batch job: the least of
// those from its group up to the root. "cpu.max" in processors.
std::optional<double> group_limit(const std::string& name);

// Main memory in bytes, of this machine or of the control group this process is confined to.
struct MainMemory {
  double total = 0;
  double available = 0;
};
MainMemory main_memory();

}  // namespace elbow
