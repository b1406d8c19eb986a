#include "trainer/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/options.h"

namespace elbow {
namespace {

using testing::HasSubstr;

Observation pictures(const std::string& likelihood = "gaussian") {
  return {{}, {{28, 28}, ValueType::kUint8}, likelihood};
}

template <typename Thrown, typename Call>
void expect_error(const Call& call, const std::string& text) {
  try {
    call();
    FAIL() << "expected: " << text;
  } catch (const Thrown& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Model, ParametersAreNamedAsInPyTorch) {
  std::vector<std::string> names;
  for (const auto& item : make_model({}, pictures(), 1)->named_parameters()) {
    names.push_back(item.key());
  }
  EXPECT_THAT(names,
              testing::ElementsAre("encoder.0.weight", "encoder.0.bias", "encoder.2.weight",
                                   "encoder.2.bias", "decoder.0.weight", "decoder.0.bias",
                                   "decoder.2.weight", "decoder.2.bias", "likelihood.log_sigma"));
}

TEST(Model, DescriptionCountsEverything) {
  const auto description = describe(*make_model({}, pictures(), 1));
  const std::int64_t expected =
      784 * 400 + 400 + 400 * 40 + 40 + 20 * 400 + 400 + 400 * 784 + 784 + 1;
  EXPECT_EQ(description.parameters, expected);
  EXPECT_EQ(description.bytes, 4 * expected);
  std::int64_t total = 0;
  for (const auto& layer : description.layers) total += layer.parameters;
  EXPECT_EQ(total, expected);
  const std::string text = to_text(description);
  EXPECT_THAT(text, HasSubstr("encoder.0"));
  EXPECT_THAT(text, HasSubstr("652,825 parameters"));
  EXPECT_THAT(text, HasSubstr("sigma 0.1 (learned)"));
}

// Whatever a model consists of, a sketch tells the same of it, and holds nothing.
TEST(Model, ASketchIsDescribedAsTheModel) {
  const auto expect_same = [](const ModelOptions& options, const Observation& observation,
                              const Conditioning& conditioning) {
    SCOPED_TRACE(options.kind + " " + options.network + " " + options.prior);
    const auto sketch = sketch_model(options, observation, conditioning);
    const auto model = make_model(options, observation, 1, conditioning);
    EXPECT_EQ(to_text(describe(*sketch)), to_text(describe(*model)));
    for (const auto& item : sketch->named_parameters()) {
      const bool of_likelihood = item.key().starts_with("likelihood.");
      EXPECT_EQ(item.value().is_meta(), !of_likelihood) << item.key();
      EXPECT_EQ(item.value().sizes(), model->named_parameters()[item.key()].sizes());
    }
  };
  ModelOptions options;
  for (const char* network : {"mlp", "convolutional", "residual", "transformer"}) {
    options.network = network;
    options.widths = {8};
    expect_same(options, pictures(), {});
  }
  options.network = "mlp";
  for (const char* prior : {"uniform", "categorical", "mixture", "vamp"}) {
    options.prior = prior;
    expect_same(options, pictures(), {});
  }
  options.prior = "gaussian";
  options.sigma = "per-dimension";
  expect_same(options, pictures(), {});
  options.sigma = "learned";
  for (const char* kind : {"latent-optimisation", "glo"}) {
    options.kind = kind;
    expect_same(options, pictures(), {});
  }
  options.kind = "pixelcnn";
  options.likelihood = "categorical";
  expect_same(options, pictures("categorical"), {});
}

// 17 GB for each of the two large layers, if they were made.
TEST(Model, ASketchTakesNoMemory) {
  ModelOptions options;
  options.widths = {1400};
  const Observation large{{}, {{3, 1024, 1024}, ValueType::kUint8}, "gaussian"};
  const std::int64_t variables = 3 * 1024 * 1024;
  const auto description = describe(*sketch_model(options, large));
  EXPECT_EQ(description.parameters, variables * 1400 + 1400 + 1400 * 40 + 40 + 20 * 1400 + 1400 +
                                        1400 * variables + variables + 1);
  EXPECT_EQ(description.bytes, 4 * description.parameters);
}

TEST(Model, RefusesPartsThatDoNotGoTogether) {
  ModelOptions options;
  options.likelihood = "bernoulli";
  expect_error<ConfigError>([&] { make_model(options, pictures(), 1); }, "prepared for 'gaussian'");
  options = {};
  options.kind = "vea";
  expect_error<ConfigError>([&] { make_model(options, pictures(), 1); }, "did you mean 'vae'");
}

TEST(ModelOptions, AreDeclaredWithBounds) {
  ModelOptions options;
  OptionTable table;
  declare(table, options);
  table.apply_toml("[model]\nlatent = 8\nsigma = 0.25\nwidths = []\nnetwork = \"convolutional\"",
                   "c");
  EXPECT_EQ(options.latent, 8);
  EXPECT_EQ(options.sigma, "0.25");
  EXPECT_TRUE(options.widths.empty());
  const auto refuse = [&](const std::string& text) {
    EXPECT_THROW(table.apply_toml("[model]\n" + text, "c"), ConfigError) << text;
  };
  refuse("latent = 0");
  refuse("latent = 100000");
  refuse("widths = [0]");
  refuse("sigma = \"lerned\"");
  refuse("sigma = -1.0");
  refuse("sigma_floor = 0.0");
  refuse("prior = \"normal\"");
  refuse("network = \"cnn\"");
  refuse("activation = \"softmax\"");
}

TEST(ModelFile, ComesBackAsItWas) {
  ModelOptions options;
  options.latent = 7;
  options.sigma = "0.125";
  options.sigma_floor = 1e-3;
  options.widths = {16, 8};
  options.activation = "gelu";
  const auto text = model_to_json({options, pictures(), {}}).dump();
  const auto file = model_from_json(nlohmann::ordered_json::parse(text));
  EXPECT_EQ(model_to_json(file).dump(), text);
  options.widths = {};
  const auto linear = model_to_json({options, pictures(), {}});
  EXPECT_TRUE(model_from_json(linear).options.widths.empty());
}

TEST(ModelFile, StrangersFilesAreRefused) {
  const auto good = model_to_json({{}, pictures(), {}});
  const auto refuse = [&](const std::string& pointer, const nlohmann::ordered_json& value) {
    auto bad = good;
    bad[nlohmann::ordered_json::json_pointer(pointer)] = value;
    EXPECT_THROW(model_from_json(bad), CheckpointError) << pointer << " " << value;
  };
  refuse("/format", 1);
  refuse("/model", 3);
  refuse("/observation", nullptr);
  refuse("/model/latent", 1e9);
  refuse("/model/latent", "many");
  refuse("/model/latent", {20});
  refuse("/model/latent", nullptr);
  refuse("/model/widths", std::vector<int>(65, 1));
  refuse("/model/widths", {"a"});
  refuse("/model/widths", {{{"a", 1}}});
  refuse("/model/kind", "gan");
  refuse("/model/sigma", "");
  refuse("/model/unheard", 1);
  auto missing = good;
  missing["model"].erase("prior");
  expect_error<CheckpointError>([&] { model_from_json(missing); }, "'prior' is missing");
  EXPECT_THROW(model_from_json(nlohmann::ordered_json::array()), CheckpointError);
}

}  // namespace
}  // namespace elbow
