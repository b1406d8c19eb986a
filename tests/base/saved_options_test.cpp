// Options that a run saved, read by a program that has more of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/options.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

// A program that has learned two options since the run was made: its own defaults are not what was
// done then.
struct Grown {
  std::int64_t latent = 20;
  std::string prior = "gaussian";
  std::vector<std::string> factors = {"a 1"};
  double slope = 0.2;
  std::vector<std::int64_t> strides = {2, 2};
  bool skip = true;
};

class SavedOptions : public testing::Test {
 protected:
  SavedOptions() {
    table.add("model.latent", &values.latent, "", at_least(1));
    table.add("model.prior", &values.prior, "", one_of({"gaussian", "vamp"}));
    table.add("model.factors", &values.factors, "");
    table.add("model.slope", &values.slope, "", between(0, 1)).before = "0";
    table.add("model.strides", &values.strides, "", at_least(1)).before = "[1, 1]";
    table.add("training.skip", &values.skip, "").before = "false";
  }

  std::string refusal(const Json& json) {
    try {
      table.apply_saved_json("model", json, "model.json");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "(accepted)";
  }

  Grown values;
  OptionTable table;
};

TEST_F(SavedOptions, WhatAnOlderRunDoesNotNameIsWhatWasDoneThen) {
  table.apply_saved_json("model", {{"latent", 3}, {"prior", "vamp"}, {"factors", {"b 2", "c, 3"}}},
                         "model.json");
  EXPECT_EQ(values.latent, 3);
  EXPECT_EQ(values.prior, "vamp");
  EXPECT_EQ(values.slope, 0);
  EXPECT_THAT(values.strides, ElementsAre(1, 1));
  EXPECT_TRUE(values.skip) << "of another group";
}

TEST_F(SavedOptions, WhatARunNamesIsKept) {
  values = {7, "vamp", {"uniform 2"}, 0.1, {3}, false};
  const Json json = table.to_json("model");
  EXPECT_EQ(json.dump(),
            R"({"latent":7,"prior":"vamp","factors":["uniform 2"],"slope":0.1,"strides":[3]})");
  values = {};
  table.apply_saved_json("model", json, "model.json");
  EXPECT_EQ(values.slope, 0.1);
  EXPECT_THAT(values.strides, ElementsAre(3));
  EXPECT_THAT(values.factors, ElementsAre("uniform 2"));
}

TEST_F(SavedOptions, TomlOfAnOlderRun) {
  table.apply_saved_toml("[model]\nlatent = 4\nslope = 0.5\n", "config.toml");
  EXPECT_EQ(values.latent, 4);
  EXPECT_EQ(values.slope, 0.5);
  EXPECT_EQ(table.find("model.slope")->origin, "config.toml, line 3");
  EXPECT_THAT(values.strides, ElementsAre(1, 1));
  EXPECT_EQ(table.find("model.strides")->origin, "default") << "nobody has given it";
  EXPECT_FALSE(values.skip);
}

TEST_F(SavedOptions, DamageIsNamed) {
  EXPECT_THAT(refusal(Json::array()), HasSubstr("'model' is not an object"));
  EXPECT_THAT(refusal({{"latent", 3}, {"prior", "vamp"}}), HasSubstr("'factors' is missing"));
  Json whole = table.to_json("model");
  whole["lattent"] = 3;
  EXPECT_THAT(refusal(whole), HasSubstr("did you mean 'model.latent'?"));
  whole = table.to_json("model");
  whole["latent"] = 0;
  EXPECT_THAT(refusal(whole), HasSubstr("must be at least 1"));
  whole["latent"] = Json::object();
  EXPECT_THAT(refusal(whole), HasSubstr("model.latent"));
  whole = table.to_json("model");
  whole["strides"] = std::vector<int>(1000, 1);
  EXPECT_THAT(refusal(whole), HasSubstr("at most 64"));
  whole["strides"] = {1};
  whole["prior"] = std::string(1 << 20, 'x');
  EXPECT_THAT(refusal(whole), HasSubstr("'prior' is too long"));
}

}  // namespace
}  // namespace elbow
