#include "trainer/model/network_options.h"

#include "trainer/model/most_units.h"
#include "trainer/model/network.h"

namespace elbow {
namespace {

constexpr double kMostLayers = 256;

}  // namespace

void declare_architecture(OptionTable& table, NetworkOptions& options) {
  table.add("model.network", &options.network,
            "mlp: fully connected layers, for any data; convolutional and residual: for images, "
            "signals and volumes; transformer: the same, cut into patches; torchscript: your own, "
            "from the files model.encoder and model.decoder",
            one_of(network_names()));
  table.add("model.widths", &options.widths,
            "hidden layers of the encoder, from the data to the code; the decoder has them the "
            "other way round. mlp: units a layer, [] for a linear model [400]; convolutional: "
            "channels a stage, each stage halves the image [32, 64]; residual: the same [32, 64]; "
            "transformer: the width of its tokens alone [128]; model.kind pixelcnn: features a "
            "layer [32, 32, 32, 32]",
            between(1, kMostUnits));
  table.add("model.blocks", &options.blocks, "residual: blocks of two convolutions in each stage",
            between(1, kMostLayers));
  table.add("model.depth", &options.depth, "transformer: layers of attention",
            between(1, kMostLayers));
  table.add("model.heads", &options.heads,
            "transformer: heads of attention a layer; they divide the width of a token",
            between(1, kMostUnits));
  table.add("model.patch", &options.patch,
            "transformer: side of the patches that a sample is cut into, in pixels",
            between(1, kMostUnits));
  table.add("model.activation", &options.activation, "function between the layers",
            one_of(activation_names()));
}

void declare_files(OptionTable& table, NetworkOptions& options) {
  table
      .add("model.encoder", &options.encoder,
           "torchscript: a file with the encoder, from x (and c) to (mean, log_variance)")
      .may_change = true;
  table
      .add("model.decoder", &options.decoder,
           "torchscript: a file with the decoder, from z (and c) to the likelihood's parameters")
      .may_change = true;
}

void declare_hashes(OptionTable& table, NetworkOptions& options) {
  table.add("model.encoder_hash", &options.encoder_hash, "");
  table.add("model.decoder_hash", &options.decoder_hash, "");
}

}  // namespace elbow
