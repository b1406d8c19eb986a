// What encoders and decoders are made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/options.h"

namespace elbow {

struct NetworkOptions {
  std::string network = "mlp";
  std::vector<std::int64_t> widths = {400};
  std::int64_t blocks = 1;  // of a residual network, a stage
  std::int64_t depth = 4;   // of a transformer, and the next two
  std::int64_t heads = 4;
  std::int64_t patch = 4;
  std::string activation = "relu";
  std::string encoder = "";       // TorchScript files of a user
  std::string decoder = "";       // never read from a model.json, which holds what follows instead:
  std::string encoder_hash = "";  // base/hash.h of the file's content; not an option
  std::string decoder_hash = "";
};

// All but what names a file: a model.json names none, since it may be a stranger's.
void declare_architecture(OptionTable& table, NetworkOptions& options);
// The files, for a configuration; the hashes of their content, for a model.json.
void declare_files(OptionTable& table, NetworkOptions& options);
void declare_hashes(OptionTable& table, NetworkOptions& options);

}  // namespace elbow
