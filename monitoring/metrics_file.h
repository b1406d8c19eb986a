// metrics.jsonl: the numbers of a run, one JSON object per line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/atomic_file.h"
#include "base/descriptor.h"

namespace elbow {

// A number that is not finite is written as null.
using MetricsValue = std::variant<std::int64_t, double, std::string>;
using MetricsFields = std::vector<std::pair<std::string, MetricsValue>>;

// Where a run that goes on cuts the file of the sessions before: it will write what is behind
// again.
struct MetricsCut {
  std::int64_t last_step = 0;  // lines whose "step" is beyond it go, from the first on
  std::string key;             // so do those of last_step that hold this key; "": they stay
};

// Appends lines such as
//   {"step":10,"epoch":1,"elbo":-102.25,"time":{"seconds":1.5,"ranks":2}}
// in the order given. Doubles are written so that they read back as the same bits. What depends on
// the clock, the hosts or the number of ranks goes under `time`, so that the rest of two equal runs
// is equal byte for byte. One thread appends.
class MetricsFile {
 public:
  // Makes the file, or a new one in the place of the old one with what is kept of it: a last line
  // that a crash left without its end is dropped, and so is what is behind the cut. The new file is
  // given its name by `write`. Throws CheckpointError naming the file.
  explicit MetricsFile(std::filesystem::path path, const std::optional<MetricsCut>& cut = {},
                       const AtomicWrite& write = write_atomically);

  // Hands the line to the system at once and whole, so that readers of the file see whole lines.
  //
  // What cannot be written (a full disk) is kept and written before the next line. The first such
  // line throws Error naming the file; those after it don't, until writing has succeeded
  // again.
  void append(const MetricsFields& figures, const MetricsFields& time);

  // All lines so far are on disk; throws Error when they are not. From any thread.
  void flush();

 private:
  void make(std::int64_t bytes, const AtomicWrite& write);
  void write_pending();  // needs mutex_
  [[noreturn]] void fail(const std::string& what, int error_number) const;

  std::filesystem::path path_;
  Descriptor file_;
  std::mutex mutex_;     // over the two below
  std::string pending_;  // what could not be written yet
  bool failing_ = false;
};

}  // namespace elbow
