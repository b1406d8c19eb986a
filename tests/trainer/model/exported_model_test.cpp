#include "trainer/model/exported_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/model/script_files.h"
#include "trainer/model/options.h"
#include "trainer/model/torchscript.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

ExportedModel exported(const ModelOptions& options,
                       const StoredRows& rows = {{3, 4}, ValueType::kUint8}) {
  const ModelFile file{options, {{}, rows, options.likelihood}, {}};
  return exported_model(file, *make_model(options, file.observation, 1));
}

std::vector<std::string> names(const ExportedModel& model) {
  std::vector<std::string> all;
  for (const auto& part : model.parts) {
    for (const auto& [name, tensor] : part.tensors) all.push_back(part.name + " " + name);
  }
  return all;
}

TEST(ExportedModel, HoldsEachParameterInItsPart) {
  ModelOptions options;
  options.widths = {};
  options.prior = "mixture";
  const auto model = exported(options);
  EXPECT_THAT(names(model),
              testing::ElementsAre("encoder 0.bias", "encoder 0.weight", "decoder 0.bias",
                                   "decoder 0.weight", "prior log_variance", "prior logit",
                                   "prior mean", "likelihood log_sigma"));
  const Json& parts = model.architecture["parts"];
  EXPECT_EQ(parts["prior"]["file"], "prior.safetensors");
  EXPECT_EQ(parts["prior"]["posterior"]["log_variance"], Json::parse("[20, 40]"));
  EXPECT_EQ(parts["decoder"]["output"], Json::parse("[1, 1, 3, 4]"));
}

TEST(ExportedModel, NamesNoFileWhereNothingIsLearned) {
  ModelOptions options;
  options.likelihood = "bernoulli";
  options.prior = "product";
  options.factors = {"categorical 3", "uniform 2"};
  const auto model = exported(options);
  const Json& parts = model.architecture["parts"];
  EXPECT_TRUE(parts["likelihood"]["file"].is_null());
  EXPECT_TRUE(parts["prior"]["file"].is_null());
  EXPECT_EQ(parts["prior"]["posterior"]["outputs"], Json::parse("[3, 4]"));
  EXPECT_EQ(parts["prior"]["factors"][0]["counts"], Json::parse("[3]"));
  EXPECT_EQ(model.architecture["observation"]["scale"], 255);
}

TEST(ExportedModel, TellsWhatTheFileHoldsOfX) {
  const Json bytes = exported({}).architecture["observation"];
  EXPECT_EQ(bytes["scale"], 256);
  EXPECT_EQ(bytes["offset"], 0);
  VariableStatistics statistics;
  statistics.mean = {1, 2};
  statistics.deviation = {3, 3};
  statistics.count = 10;
  const ModelFile file{{}, {{}, {{2}, ValueType::kFloat32}, "gaussian", std::move(statistics)}, {}};
  const auto json = exported_model(file, *make_model({}, file.observation, 1)).architecture;
  EXPECT_EQ(json["observation"]["scale"], 3);
  EXPECT_EQ(json["observation"]["offset"], Json::parse("[1.0, 2.0]"));
  EXPECT_EQ(json["observation"]["x"], "(k - offset) / scale");
}

// What projects the code is told apart from the decoder, whose tensors keep PyTorch's names.
TEST(ExportedModel, GloHasADecoderAndCodes) {
  ModelOptions options;
  options.kind = "glo";
  options.widths = {};
  const auto model = exported(options);
  EXPECT_THAT(names(model),
              testing::ElementsAre("decoder 0.bias", "decoder 0.weight", "likelihood log_sigma",
                                   "codes factor", "codes mean"));
  EXPECT_EQ(model.architecture["procedure"]["decoder_input"], "z / max(1, |z|)");
}

TEST(ExportedModel, NamesTheFileOfAUsersOwnNetwork) {
  ModelOptions options;
  options.network = "torchscript";
  options.latent = 3;
  options.encoder = saved(script_encoder(), testing::TempDir() + "exported-encoder.pt");
  options.decoder = saved(script_decoder(), testing::TempDir() + "exported-decoder.pt");
  note_network_files(options);
  const auto model = exported(options);
  const Json& encoder = model.architecture["parts"]["encoder"];
  EXPECT_EQ(encoder["torchscript"]["xxh3_128"], options.encoder_hash);
  EXPECT_EQ(encoder["tensors"]["a"], Json::parse("[5, 12]"));
  EXPECT_FALSE(encoder.contains("steps"));
}

}  // namespace
}  // namespace elbow
