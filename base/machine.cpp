#include "base/machine.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace elbow {

std::string line_value(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(key)) continue;
    if (line.find_first_not_of(" \t", key.size()) != colon) continue;
    const auto begin = line.find_first_not_of(' ', colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

namespace {

// What a line of /proc/meminfo says, in bytes.
double memory_bytes(const std::string& key) {
  return std::strtod(line_value("/proc/meminfo", key).c_str(), nullptr) * 1024;
}

}  // namespace

std::optional<double> group_limit(const std::string& name) {
  std::string group;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::")) group = line.substr(3);
  }
  std::optional<double> least;
  const std::filesystem::path root = "/sys/fs/cgroup";
  for (std::filesystem::path path = root / std::filesystem::path(group).relative_path();;
       path = path.parent_path()) {
    double amount = 0;
    double period = 0;
    std::ifstream file(path / name);
    if (file >> amount) {
      if (file >> period && period > 0) amount /= period;
      least = least ? std::min(*least, amount) : amount;
    }
    if (path == root || !path.has_relative_path()) break;
  }
  return least;
}

MainMemory main_memory() {
  MainMemory memory{memory_bytes("MemTotal"), memory_bytes("MemAvailable")};
  if (const auto limit = group_limit("memory.max")) {
    memory.total = std::min(memory.total, *limit);
    memory.available = std::min(memory.available, *limit);
  }
  return memory;
}

}  // namespace elbow
