#include "base/options.h"

#include <cstdlib>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Values {
  std::int64_t batch = 256;
  double rate = 1e-3;
  bool average = false;
  std::string kind = "vae";
  std::string sigma = "learned";
  std::vector<std::int64_t> widths = {400};
  std::vector<std::string> train;
};

class Options : public testing::Test {
 protected:
  Options() { declare(table, values); }

  static void declare(OptionTable& table, Values& values) {
    table.add("training.batch", &values.batch, "samples a step", at_least(1));
    table.add("optimizer.rate", &values.rate, "learning rate", above(0));
    table.add("optimizer.average", &values.average, "keep averaged weights");
    table.add("model.kind", &values.kind, "kind of model", one_of({"vae", "autoregressive"}));
    table
        .add("model.sigma", &values.sigma, "a number or learned",
             TextCheck([](const std::string& text) {
               return text.find_first_not_of("+-.e0123456789") == std::string::npos ||
                              text == "learned"
                          ? ""
                          : "is neither a number nor learned";
             }))
        .number_allowed = true;
    table.add("model.widths", &values.widths, "hidden layers", at_least(1));
    table.add("data.train", &values.train, "training data");
  }

  std::string refusal(const std::string& toml) {
    try {
      table.apply_toml(toml, "c.toml");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "(accepted)";
  }

  std::string refusal(const std::string& key, const std::string& value) {
    try {
      table.apply_text(key, value, "command line");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "(accepted)";
  }

  Values values;
  OptionTable table;
};

// Sets a variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

TEST_F(Options, ReadsEveryType) {
  table.apply_toml(R"(
[training]
batch = 64
[optimizer]
rate = 1           # an integer is a number too
average = true
[model]
kind = "autoregressive"
sigma = 0.10
widths = [400, 200]
[data]
train = ["a.h5:/x", "b.h5:/x"]
)",
                   "c.toml");
  EXPECT_EQ(values.batch, 64);
  EXPECT_EQ(values.rate, 1.0);
  EXPECT_TRUE(values.average);
  EXPECT_EQ(values.kind, "autoregressive");
  EXPECT_EQ(values.sigma, "0.1");
  EXPECT_THAT(values.widths, ElementsAre(400, 200));
  EXPECT_THAT(values.train, ElementsAre("a.h5:/x", "b.h5:/x"));
  EXPECT_EQ(table.find("training.batch")->origin, "c.toml, line 3");
  EXPECT_EQ(table.find("nothing"), nullptr);
}

TEST_F(Options, LaterSourcesWin) {
  const TemporaryFolder folder;
  std::ofstream(folder / "c.toml") << "training.batch = 1\noptimizer.rate = 0.1\n"
                                      "model.kind = \"autoregressive\"\n";
  const Variable batch("ELBOW_TRAINING_BATCH", "2");
  const Variable rate("ELBOW_OPTIMIZER_RATE", "0.2");
  table.apply_file(folder / "c.toml");
  table.apply_environment();
  table.apply_text("training.batch", "3", "command line");
  EXPECT_EQ(values.batch, 3);
  EXPECT_EQ(values.rate, 0.2);
  EXPECT_EQ(values.kind, "autoregressive");
  EXPECT_THAT(values.widths, ElementsAre(400));
  EXPECT_EQ(table.find("training.batch")->origin, "command line");
  EXPECT_EQ(table.find("optimizer.rate")->origin, "ELBOW_OPTIMIZER_RATE");
  EXPECT_EQ(table.find("model.widths")->origin, "default");
}

TEST_F(Options, RefusesWrongTypesOfAFile) {
  struct Case {
    const char* toml;
    const char* message;
  };
  for (const auto& [toml, message] :
       std::vector<Case>{{"training.batch = \"64\"",
                          "training.batch (from c.toml, line 1): '64' is not an integer"},
                         {"training.batch = 64.0", "'64' is not an integer"},
                         {"training.batch = true", "'true' is not an integer"},
                         {"training.batch = [64]", "a list is not an integer"},
                         {"training.batch = 2020-01-01", "this value is not an integer"},
                         {"training.batch = {a = 1}", "this value is not an integer"},
                         {"optimizer.rate = \"fast\"", "'fast' is not a number"},
                         {"optimizer.rate = \"0.1\"", "'0.1' is not a number"},
                         {"optimizer.rate = inf", "inf is not finite"},
                         {"optimizer.rate = nan", "nan is not finite"},
                         {"optimizer.average = 1", "'1' is not true or false"},
                         {"optimizer.average = \"true\"", "'true' is not true or false"},
                         {"model.kind = 3", "3 is not text"},
                         {"model.kind = false", "false is not text"},
                         {"model.sigma = true", "true is not text or a number"},
                         {"model.widths = [400, \"a\"]", "'a' is not a list of integers"},
                         {"model.widths = [[400]]", "this value is not a list of integers"},
                         {"data.train = [1]", "1 is not text or a list of texts"}}) {
    EXPECT_THAT(refusal(toml), HasSubstr(message)) << toml;
  }
}

TEST_F(Options, RefusesWrongTypesOfText) {
  for (const char* bad : {"", "many", "1.5", "1e3", "1 2", "99999999999999999999"}) {
    EXPECT_THAT(refusal("training.batch", bad), HasSubstr("is not an integer")) << bad;
  }
  EXPECT_THAT(refusal("optimizer.rate", "0,1"), HasSubstr("'0,1' is not a number"));
  EXPECT_THAT(refusal("optimizer.average", "maybe"), HasSubstr("'maybe' is not true or false"));
  EXPECT_THAT(refusal("model.widths", "400,a"), HasSubstr("'a' is not a list of integers"));
  EXPECT_THAT(refusal("model.widths", "400,,2"), HasSubstr("is not a list of integers"));
}

TEST_F(Options, RefusesImpossibleValues) {
  EXPECT_THAT(refusal("training.batch = 0"), HasSubstr("0 must be at least 1"));
  EXPECT_THAT(refusal("optimizer.rate = 0"), HasSubstr("0 must be above 0"));
  EXPECT_THAT(refusal("model.widths = [400, -3]"), HasSubstr("-3 must be at least 1"));
  EXPECT_THAT(refusal("model.kind = \"vea\""),
              AllOf(HasSubstr("'vea' is not one of vae, autoregressive"),
                    HasSubstr("did you mean 'vae'?")));
  EXPECT_THAT(refusal("model.sigma = \"small\""), HasSubstr("neither a number nor learned"));
  EXPECT_EQ(between(0, 1)(0.5), "");
  EXPECT_EQ(between(0, 1)(1), "");
  EXPECT_EQ(between(0, 1)(1.5), "must be from 0 to 1");
  EXPECT_NE(between(0, 1)(std::numeric_limits<double>::quiet_NaN()), "");
}

TEST_F(Options, ARefusedValueChangesNothing) {
  refusal("training.batch = 0");
  refusal("model.widths", "10,0");
  EXPECT_EQ(values.batch, 256);
  EXPECT_THAT(values.widths, ElementsAre(400));
  EXPECT_EQ(table.find("training.batch")->origin, "default");
}

TEST_F(Options, NamesOfOtherProgramsNameTheOptionThatIsMeant) {
  for (const char* name : {"lr", "training.lr", "optimizer.LR", "model.lr"}) {
    EXPECT_THAT(refusal(name, "1"), HasSubstr("did you mean 'optimizer.rate'?")) << name;
  }
  for (const char* name : {"batch-size", "training.batch_size", "batchsize"}) {
    EXPECT_THAT(refusal(name, "1"), HasSubstr("did you mean 'training.batch'?")) << name;
  }
  EXPECT_THAT(refusal("training.qq", "1"), testing::Not(HasSubstr("did you mean")));
  // Of an option that this table does not have.
  EXPECT_THAT(refusal("ema_decay", "1"), testing::Not(HasSubstr("did you mean")));
}

TEST_F(Options, MisspeltKeysNameTheNearest) {
  EXPECT_THAT(refusal("[training]\n\nbatchsize = 3"),
              AllOf(HasSubstr("no option 'training.batchsize'"), HasSubstr("c.toml, line 3"),
                    HasSubstr("did you mean 'training.batch'?")));
  EXPECT_THAT(refusal("[trainig]\nbatch = 3"), HasSubstr("did you mean 'training.batch'?"));
  EXPECT_THAT(refusal("batch = 3"), HasSubstr("did you mean 'training.batch'?"));
  EXPECT_THAT(refusal("training.widths = [3]"), HasSubstr("did you mean 'model.widths'?"));
  EXPECT_THAT(refusal("model.zzzzzz = 3"), HasSubstr("elbow train --help"));
  EXPECT_THAT(refusal("optimiser.rate", "1"), HasSubstr("did you mean 'optimizer.rate'?"));
}

TEST_F(Options, EnvironmentThatNamesNothingIsRefused) {
  const Variable variable("ELBOW_TRAINING_BACTH", "3");
  try {
    table.apply_environment();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("ELBOW_TRAINING_BACTH"),
                                    HasSubstr("did you mean 'ELBOW_TRAINING_BATCH'?")));
  }
}

TEST_F(Options, EnvironmentErrorsNameTheVariable) {
  const Variable variable("ELBOW_TRAINING_BATCH", "x=y");
  try {
    table.apply_environment();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("ELBOW_TRAINING_BATCH"), HasSubstr("'x=y'")));
  }
}

TEST_F(Options, ListsOnACommandLine) {
  for (const char* text : {"400,200", "400, 200", "[400, 200]", " 400 ,200 "}) {
    table.apply_text("model.widths", text, "command line");
    EXPECT_THAT(values.widths, ElementsAre(400, 200)) << text;
  }
  table.apply_text("data.train", "[\"a.h5:/x\", 'b.h5:/x', c.h5:/x]", "command line");
  EXPECT_THAT(values.train, ElementsAre("a.h5:/x", "b.h5:/x", "c.h5:/x"));
  for (const char* text : {"", "[]", "[ ]"}) {
    table.apply_text("data.train", text, "command line");
    EXPECT_THAT(values.train, IsEmpty()) << text;
  }
}

TEST_F(Options, ASingleTextIsAListOfOne) {
  table.apply_toml("data.train = \"a.h5:/x\"\nmodel.widths = 3", "c.toml");
  EXPECT_THAT(values.train, ElementsAre("a.h5:/x"));
  EXPECT_THAT(values.widths, ElementsAre(3));
}

TEST_F(Options, ResolvedConfigurationReadsBack) {
  values.batch = std::numeric_limits<std::int64_t>::max();
  values.rate = 0.1 + 0.2;
  values.average = true;
  values.sigma = ".5";
  values.widths = {1, 2, 3};
  values.train = {"plain",    "with \"quotes\"", "back\\slash", "new\nline", "tab\t",
                  "'single'", "naïve ☃",         "\x01\x7f",    "",          "{}",
                  "'''\"\"\""};
  const std::string toml = table.to_toml();
  Values other;
  OptionTable again;
  declare(again, other);
  again.apply_toml(toml, "config.toml");
  EXPECT_EQ(other.batch, values.batch);
  EXPECT_EQ(other.rate, values.rate);
  EXPECT_EQ(other.average, values.average);
  EXPECT_EQ(other.kind, values.kind);
  EXPECT_EQ(other.sigma, "0.5");
  EXPECT_EQ(other.widths, values.widths);
  EXPECT_EQ(other.train, values.train);
  EXPECT_EQ(again.to_toml(), toml);
}

TEST_F(Options, RealsReadBackAsTheSameBits) {
  for (const double rate : {1.0, 1e-3, 1e20, 5e-324, 1.7976931348623157e308, 3.0, 1e16, 1.0 / 3}) {
    values.rate = rate;
    const std::string toml = table.to_toml();
    values.rate = 7;
    table.apply_toml(toml, "config.toml");
    EXPECT_EQ(values.rate, rate) << toml;
  }
}

TEST_F(Options, ANumberIsOneTextHoweverWritten) {
  for (const char* text : {"0.1", "0.10", "1e-1", ".1", "+0.1"}) {
    table.apply_text("model.sigma", text, "command line");
    EXPECT_EQ(values.sigma, "0.1") << text;
  }
  EXPECT_EQ(table.find("model.sigma")->value_toml(), "0.1");
  table.apply_text("model.sigma", "learned", "command line");
  EXPECT_EQ(table.find("model.sigma")->value_toml(), "\"learned\"");
}

TEST_F(Options, GroupsAreWrittenTogether) {
  const std::string toml = table.to_toml();
  EXPECT_THAT(toml, HasSubstr("[training]\nbatch = 256\n"));
  EXPECT_THAT(toml, HasSubstr("[optimizer]\nrate = 0.001\naverage = false\n"));
}

TEST_F(Options, BrokenFilesAreNamedWithTheirLine) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal("training.batch = 1\ntraining.batch ="), HasSubstr("c.toml, line 2"));
  EXPECT_THAT(refusal("[training]\nbatch = 1\nbatch = 2"), HasSubstr("c.toml, line 3"));
  try {
    table.apply_file(folder / "none.toml");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("none.toml"), HasSubstr("no such file")));
  }
}

TEST_F(Options, NamesOfAnOption) {
  const Option* option = table.find("training.batch");
  EXPECT_EQ(option->group(), "training");
  EXPECT_EQ(option->name(), "batch");
  EXPECT_EQ(option->environment_name(), "ELBOW_TRAINING_BATCH");
  EXPECT_EQ(option->type_text(), "an integer");
}

}  // namespace
}  // namespace elbow
