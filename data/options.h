// The options of the group [data] that say which data are read, and in what order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"

namespace elbow {

struct DataOptions {
  std::vector<std::string> train;   // FILE:/path or patterns of files
  std::string labels;               // FILE:/path or a pattern of files; empty for none
  std::string validation = "0.05";  // a fraction, a count, or FILE:/path
  std::string validation_labels;    // beside a data.validation that is FILE:/path
  std::int64_t window = 8192;       // samples mixed at a time when chunks are read in order
  std::string nan = "stop";         // or "skip"
  std::string mismatch = "stop";    // or "warn"
};

// Adds them to a table that `options` must outlive.
void declare(OptionTable& table, DataOptions& options);

// Whether data.validation names data of its own, rather than a share of data.train.
bool validation_is_file(const DataOptions& options);

}  // namespace elbow
