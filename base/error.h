// Errors as users see them: what failed, where, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>

#include <fmt/format.h>

namespace elbow {

// Exit codes of the program, part of its interface.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kData = 3,
  kCheckpoint = 4,
  kCommunication = 5,
  kStopped = 75,  // saved and stopped by a signal or a time limit: start me again
};

// Base of every error that is meant for the user. The message names the thing (file, option, rank)
// and the remedy; it is printed as it is.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kFailed)
      : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// A command line, environment variable or configuration file that cannot be meant.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(message, ExitCode::kUsage) {}
};

// A data file or data set that cannot be read as asked.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message, ExitCode::kData) {}
};

// A run directory, or a file in it, that cannot be read, written or trusted.
class CheckpointError : public Error {
 public:
  explicit CheckpointError(const std::string& message) : Error(message, ExitCode::kCheckpoint) {}
};

// Another rank, a collective operation, or the launcher.
class CommError : public Error {
 public:
  explicit CommError(const std::string& message) : Error(message, ExitCode::kCommunication) {}
};

// "No such file or directory" for an errno value.
std::string errno_text(int error_number);

}  // namespace elbow
