// A TorchScript file as it lies there: its content, and what can be said of it without running it.
#pragma once

#include <cstdint>
#include <string>

#include <torch/csrc/jit/api/module.h>

namespace elbow {

// A file, and the option that named it.
struct ScriptFile {
  std::string option;  // "model.encoder"
  std::string path;

  // Throws ConfigError, the reason being a sentence about the file: "has no forward function".
  [[noreturn]] void refuse(const std::string& reason) const;

  // Throws ConfigError where no file was named, and where it cannot be read.
  std::string content() const;
};

// The module in the file, in host memory, whose forward function takes one argument, or two where
// `condition` is not 0. Throws CheckpointError where `hash` is given and not that of the content,
// and ConfigError for what makes it unfit to be trained here: no parameters to train, or not in
// float; statistics of a batch; random numbers.
torch::jit::Module load_script(const ScriptFile& file, const std::string& hash,
                               std::int64_t condition);

}  // namespace elbow
