// Networks of a user, as TorchScript files (torch.jit.script(module).save(FILE)), from the options
// model.encoder and model.decoder. Encoder: x [B, shape...] (and c [B, C]) -> (mean [B, d],
// log_variance [B, d]), 2 d numbers a sample as the posterior reads them, or one tensor [B,
// outputs] for a posterior that is no Gaussian. Decoder: z [B, d] (and c) -> [B, P, shape...], [B,
// P * D], or [B, shape...] where P is 1.
//
// Their parameters are trained from the values in the file, under their own names. A file is code,
// so that none is ever taken from a run directory: a run keeps the hash of the content, and with
// another content it is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "trainer/model/network.h"

namespace elbow {

// Throw ConfigError for a file that cannot be read or does not fit, with its reason: shapes (tried
// on 2 and on 3 samples), rows that depend on each other, statistics of a batch, randomness of its
// own, parameters not in float or none at all. Throw CheckpointError where options.encoder_hash (or
// decoder_hash) is given and is not that of the file.
std::shared_ptr<Network> make_torchscript_encoder(const NetworkOptions& options,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t outputs, std::int64_t condition);
std::shared_ptr<Network> make_torchscript_decoder(const NetworkOptions& options,
                                                  std::int64_t latent,
                                                  const std::vector<std::int64_t>& shape,
                                                  std::int64_t parameters, std::int64_t condition);

// Fills encoder_hash and decoder_hash from the files that are named, for a training that begins:
// its model.json keeps them. Throws ConfigError for a file that cannot be read. A model that was
// stored comes with its hashes, and is made as soon as options.encoder and options.decoder are set.
void note_network_files(NetworkOptions& options);

}  // namespace elbow
