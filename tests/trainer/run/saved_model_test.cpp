#include "trainer/run/saved_model.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json_input.h"
#include "tests/base/temporary_folder.h"
#include "trainer/run/safetensors.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

class SavedModels : public testing::Test {
 protected:
  SavedModels() {
    options_.latent = 3;
    options_.widths = {5};
    model_ = make_model(options_, observation_, 9);
    save_model_description(paths_, {options_, observation_, {}}, {9, "fingerprint"});
    save_parameters(paths_.parameters(), named_tensors(*model_));
  }

  std::string refusal() {
    try {
      load_model(paths_, "best");
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  RunPaths paths_{folder_.path()};
  ModelOptions options_;
  Observation observation_{{}, {{4, 4}, ValueType::kUint8}, "gaussian"};
  std::shared_ptr<Procedure> model_;
};

TEST_F(SavedModels, ComeBackWithTheirParameters) {
  {
    torch::NoGradGuard no_grad;
    for (auto& parameter : model_->parameters()) parameter.add_(0.25);
  }
  save_parameters(paths_.parameters(), named_tensors(*model_));
  const SavedModel saved = load_model(paths_, "best");
  EXPECT_EQ(saved.record.seed, 9U);
  EXPECT_EQ(saved.record.data_fingerprint, "fingerprint");
  EXPECT_EQ(saved.file.observation.measure_text(), observation_.measure_text());
  for (const auto& parameter : model_->named_parameters()) {
    EXPECT_TRUE(
        torch::equal(saved.procedure->named_parameters()[parameter.key()], parameter.value()))
        << parameter.key();
  }
}

TEST_F(SavedModels, BestAndLastAreTwoFiles) {
  const std::string best = load_model(paths_, "best").parameters_hash;
  EXPECT_THROW(load_model(paths_, "last"), CheckpointError) << "only the best was saved";
  {
    torch::NoGradGuard no_grad;
    model_->parameters()[0].add_(1);
  }
  save_parameters(paths_.last_parameters(), named_tensors(*model_));
  EXPECT_EQ(load_model(paths_, "best").parameters_hash, best);
  EXPECT_NE(load_model(paths_, "last").parameters_hash, best);
}

TEST_F(SavedModels, NamesAreThoseOfPyTorch) {
  const NamedTensors tensors = load_safetensors(paths_.parameters());
  EXPECT_EQ(tensors.at("encoder.0.weight").sizes(), (std::vector<std::int64_t>{5, 16}));
  EXPECT_EQ(tensors.at("encoder.2.weight").sizes(), (std::vector<std::int64_t>{6, 5}));
  EXPECT_EQ(tensors.at("decoder.2.bias").sizes(), (std::vector<std::int64_t>{16}));
}

TEST_F(SavedModels, SayWhenThereAreNoParametersYet) {
  std::filesystem::remove(paths_.parameters());
  EXPECT_NE(refusal().find("parameters.safetensors does not exist"), std::string::npos)
      << refusal();
}

TEST_F(SavedModels, RefuseParametersOfAnotherModel) {
  NamedTensors tensors = load_safetensors(paths_.parameters());
  tensors["encoder.0.weight"] = torch::zeros({5, 15});
  save_safetensors(paths_.parameters(), tensors, {});
  EXPECT_NE(refusal().find("'encoder.0.weight' has shape [5, 15], the model's has [5, 16]"),
            std::string::npos)
      << refusal();
  tensors.erase("encoder.0.weight");
  tensors["else"] = torch::zeros({1});
  save_safetensors(paths_.parameters(), tensors, {});
  EXPECT_NE(refusal().find("has no 'encoder.0.weight'"), std::string::npos) << refusal();
  tensors.erase("else");
  save_safetensors(paths_.parameters(), tensors, {});
  EXPECT_NE(refusal().find("tensors, the model has"), std::string::npos) << refusal();
}

// But for those that make its hash unknown: then the description itself is as it was.
TEST_F(SavedModels, NoFlippedBitOfADescriptionGoesUnseen) {
  const std::string good = read_file(paths_.model(), 1 << 20);
  const std::size_t hash = good.find("\"xxh3_128\"");
  ASSERT_NE(hash, std::string::npos);
  for (std::size_t bit = 0; bit < hash * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    std::ofstream(paths_.model(), std::ios::binary) << bad;
    EXPECT_NE(refusal(), "") << "bit " << bit;
  }
}

TEST_F(SavedModels, RefuseParametersWithAChangedNumber) {
  std::string bytes = read_file(paths_.parameters(), 1 << 20);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::ofstream(paths_.parameters(), std::ios::binary) << bytes;
  EXPECT_NE(refusal().find("parameters.safetensors is damaged: its content does not match"),
            std::string::npos)
      << refusal();
}

TEST_F(SavedModels, RefuseADamagedDescription) {
  const std::string good = read_file(paths_.model(), 1 << 20);
  const auto refused_with = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const auto at = bad.find(from);
    EXPECT_NE(at, std::string::npos) << from << " in " << good;
    if (at != std::string::npos) bad.replace(at, from.size(), to);
    try {
      bad = sealed_text(parse_json(bad));  // as somebody would who means it
    } catch (const Error&) {
    }
    std::ofstream(paths_.model()) << bad;
    return refusal();
  };
  EXPECT_NE(refused_with("\"format_version\": 1", "\"format_version\": 2").find("format version"),
            std::string::npos);
  EXPECT_NE(refused_with("\"seed\"", "\"seeds\""), "");
  EXPECT_NE(refused_with("\"latent\": 3", "\"latent\": -3"), "");
  EXPECT_NE(refused_with("\"latent\": 3", "\"latent\": 900000000000"), "");
  EXPECT_NE(refused_with("\"mlp\"", "\"../../evil\""), "");
  EXPECT_NE(refused_with("\"latent\": 3", "\"latent\": 4000000"), "");
  EXPECT_NE(refused_with("\"latent\": 3", "\"latent\": " + std::string(100000, '[')), "");
  for (const char* text : {"[]", "3", R"({"format_version": "1"})", R"({"format_version": 1})"}) {
    std::ofstream(paths_.model()) << text;
    EXPECT_NE(refusal().find("is damaged"), std::string::npos) << text;
  }
  std::ofstream(paths_.model()) << good.substr(0, good.size() / 2);
  EXPECT_NE(refusal().find("is damaged"), std::string::npos);
}

}  // namespace
}  // namespace elbow
