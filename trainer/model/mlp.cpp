#include "trainer/model/mlp.h"

namespace elbow {
namespace {

std::shared_ptr<Network> stack(const std::vector<std::int64_t>& widths,
                               const std::string& activation, std::int64_t inputs,
                               std::vector<std::int64_t> output, std::int64_t condition) {
  const std::int64_t outputs = c10::multiply_integers(output);
  auto network =
      std::make_shared<LayerStack>(std::vector<std::int64_t>{inputs}, std::move(output), condition);
  for (const auto width : widths) {
    network->linear(width);
    network->activation(activation);
  }
  network->linear(outputs);
  return network;
}

}  // namespace

std::shared_ptr<Network> make_mlp_encoder(const NetworkOptions& options,
                                          const std::vector<std::int64_t>& shape,
                                          std::int64_t outputs, std::int64_t condition) {
  return stack(options.widths, options.activation, c10::multiply_integers(shape), {outputs},
               condition);
}

// The hidden widths are those of the encoder, the other way round.
std::shared_ptr<Network> make_mlp_decoder(const NetworkOptions& options, std::int64_t latent,
                                          const std::vector<std::int64_t>& shape,
                                          std::int64_t parameters, std::int64_t condition) {
  std::vector<std::int64_t> output = {parameters};
  output.insert(output.end(), shape.begin(), shape.end());
  return stack({options.widths.rbegin(), options.widths.rend()}, options.activation, latent,
               std::move(output), condition);
}

}  // namespace elbow
