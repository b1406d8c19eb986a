#include "launch/cli/help.h"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Help : public testing::Test {
 protected:
  Help() {
    set_up_parsing(program);
    CLI::App* train = program.add_subcommand("train", "Train a model,\nalone or not.\n\nAnd more.");
    train->add_option("--config", config, "file");
    train->add_option("--training.batch", batch, "samples")->required();
    train->add_option("--optimizer.rate", rate, "how fast");
    train->add_option("--training.sum", sum, "how");
    CLI::App* data = program.add_subcommand("data", "Import and inspect: data");
    data->require_subcommand(1);
    data->add_subcommand("inspect", "Look");
  }

  std::string refusal(const std::string& line) {
    try {
      program.parse(line);
    } catch (const CLI::ParseError& error) {
      return usage_problem(program, error);
    }
    return "(accepted)";
  }

  CLI::App program{"About"};
  std::string config;
  std::string rate;
  std::string sum;
  int batch = 0;
};

TEST_F(Help, MisspeltSubcommand) {
  EXPECT_THAT(refusal("trian --config c"),
              AllOf(StartsWith("elbow has no sub-command 'trian'; did you mean 'train'?"),
                    HasSubstr("'elbow --help'")));
  EXPECT_THAT(refusal("fly"), HasSubstr("valid are: train, data"));
  EXPECT_THAT(refusal("data inspekt"),
              AllOf(StartsWith("elbow data has no sub-command 'inspekt'; did you mean 'inspect'?"),
                    HasSubstr("'elbow data --help'")));
  // The command given twice is no misspelt one.
  EXPECT_THAT(refusal("train train --training.batch 3"),
              StartsWith("elbow train does not take 'train'"));
}

TEST_F(Help, MisspeltOption) {
  EXPECT_THAT(refusal("train --training.batch 3 --confg c"),
              StartsWith("elbow train has no option '--confg'; did you mean '--config'?"));
  EXPECT_THAT(refusal("train --training.bach=3"),
              StartsWith("elbow train has no option '--training.bach'; did you mean "
                         "'--training.batch'?"));
  EXPECT_THAT(refusal("train --training.batch 3 --qqqqqq"),
              AllOf(StartsWith("elbow train has no option '--qqqqqq'\n"), Not(HasSubstr("mean"))));
}

// A word is no misspelling of another word.
TEST_F(Help, NamesOfOtherPrograms) {
  EXPECT_THAT(refusal("train --training.batch 3 --lr 1e-3"),
              StartsWith("elbow train has no option '--lr'; did you mean '--optimizer.rate'?"));
  EXPECT_THAT(refusal("train --training.batch 3 --training.lr=1e-3"),
              HasSubstr("'--training.lr'; did you mean '--optimizer.rate'?"));
  EXPECT_THAT(refusal("train --batch 3"), HasSubstr("did you mean '--training.batch'?"));
  // It has no option for epochs here.
  EXPECT_THAT(refusal("train --num-epochs 3"), Not(HasSubstr("mean")));
  for (const char* odd : {"-Z", "-", "--=3", "---"}) {
    EXPECT_THAT(refusal(std::string("train --training.batch 3 ") + odd), Not(HasSubstr("mean")));
  }
}

TEST_F(Help, TheLastOfAnOptionCounts) {
  EXPECT_EQ(refusal("train --training.batch 3 --config a --training.batch 4 --config=b"),
            "(accepted)");
  EXPECT_EQ(batch, 4);
  EXPECT_EQ(config, "b");
}

std::string words_of(std::vector<const char*> arguments) {
  auto words = reversed_words(static_cast<int>(arguments.size()), arguments.data());
  std::string line;
  for (auto word = words.rbegin(); word != words.rend(); ++word) line += *word + " ";
  return line;
}

TEST_F(Help, HelpIsACommandAsWell) {
  EXPECT_EQ(words_of({"elbow", "help", "data", "inspect"}), "data inspect --help ");
  EXPECT_EQ(words_of({"elbow", "help"}), "--help ");
  EXPECT_EQ(words_of({"elbow", "train", "help"}), "train help ");
  EXPECT_EQ(words_of({"elbow"}), "");
  EXPECT_EQ(words_of({}), "");
  EXPECT_EQ(refusal("data inspect --help"), "");
  EXPECT_EQ(refusal("--help"), "");
  EXPECT_THAT(refusal("trian --help"), StartsWith("elbow has no sub-command 'trian'; did you"));
}

// The first word that is wrong is named, not what is missing behind it.
TEST_F(Help, WordBeforeASubcommand) {
  EXPECT_THAT(refusal("fly train"), StartsWith("elbow has no sub-command 'fly'"));
}

TEST_F(Help, WordTooMany) {
  EXPECT_THAT(refusal("train --training.batch 3 word"),
              StartsWith("elbow train does not take 'word'"));
}

TEST_F(Help, NothingAsked) {
  EXPECT_THAT(refusal(""), StartsWith("elbow needs a sub-command: train, data"));
  EXPECT_THAT(refusal("data"), StartsWith("elbow data needs a sub-command: inspect"));
}

TEST_F(Help, OtherProblemsNameTheOption) {
  EXPECT_THAT(refusal("train"), HasSubstr("--training.batch"));
  EXPECT_THAT(refusal("train --training.batch many"), HasSubstr("--training.batch"));
  EXPECT_THAT(refusal("train --training.batch 3 --config"), HasSubstr("--config"));
}

TEST_F(Help, SubcommandsAreListedInALineEach) {
  const std::string help = program.help();
  EXPECT_THAT(help, HasSubstr("  train                         Train a model, alone or not\n"));
  EXPECT_THAT(help, HasSubstr("  data                          Import and inspect\n"));
}

}  // namespace
}  // namespace elbow
