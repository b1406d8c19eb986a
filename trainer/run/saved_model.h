// A trained model as it lies in a run directory: model.json, what it is, and its parameters.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/atomic_file.h"
#include "trainer/model/model.h"
#include "trainer/model/observation.h"
#include "trainer/model/procedure.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/safetensors.h"

namespace elbow {

// What model.json holds beside the architecture.
struct ModelRecord {
  std::uint64_t seed = 1;
  std::string data_fingerprint;  // of the training data
};

struct SavedModel {
  ModelFile file;
  std::shared_ptr<Procedure> procedure;
  ModelRecord record;
  std::string parameters_hash;  // of the parameter file's content
};

// `write` as here and below: how the file is written.
void save_model_description(const RunPaths& paths, const ModelFile& model,
                            const ModelRecord& record, const AtomicWrite& write = write_atomically);

// The procedure's parameters by name: no copies.
NamedTensors named_tensors(const Procedure& procedure);

void save_parameters(const std::filesystem::path& path, const NamedTensors& parameters,
                     const AtomicWrite& write = write_atomically);

// `which`: "best" (by validation where there was one, else the last), "last" or "average". Of a run
// that is not finished, those of the newest checkpoint that verifies. The directory may be a
// stranger's: nothing in it is executed, and what does not fit is refused with CheckpointError
// naming the file.
//
// A model of a user's own networks needs `own`: no file is taken from the run directory, and one
// whose content is not what the run was trained with is refused.
struct OwnNetworks {
  std::string encoder;  // as model.encoder and model.decoder
  std::string decoder;
};
SavedModel load_model(const RunPaths& paths, const std::string& which, const OwnNetworks& own = {});

}  // namespace elbow
