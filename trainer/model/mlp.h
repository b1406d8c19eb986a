// Linear layers with activations between them; without hidden widths, one linear map.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/model/network.h"

namespace elbow {

std::shared_ptr<Network> make_mlp_encoder(const NetworkOptions& options,
                                          const std::vector<std::int64_t>& shape,
                                          std::int64_t outputs, std::int64_t condition);
std::shared_ptr<Network> make_mlp_decoder(const NetworkOptions& options, std::int64_t latent,
                                          const std::vector<std::int64_t>& shape,
                                          std::int64_t parameters, std::int64_t condition);

}  // namespace elbow
