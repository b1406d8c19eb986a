// The program's log: plain lines on stderr, and JSON lines in a run directory once one is open.
// Both are cleaned, see base/print.h.
// Thread-safe. Only the coordinating rank's information is shown; warnings and errors of the
// others carry their rank.
#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>

namespace elbow::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Called once ranks are known. Ranks other than 0 keep quiet below warnings.
void set_rank(int rank, int world_size);
// From which level on messages are shown on stderr. A file holds information whatever the level,
// and what is shown.
void set_level(Level level);

// From now on every message is also appended to `path` as one JSON object per line. Throws
// CheckpointError naming the file.
void open_file(const std::filesystem::path& path);

// Lines on stderr first erase a progress bar that is drawn there; it is drawn anew at its next
// update.
void set_progress_shown(bool shown);

void write(Level level, const std::string& message);

// What a command was run for, in a line on standard output at any level; information in a file.
void result(const std::string& message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace elbow::log
