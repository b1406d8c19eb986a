#include "data/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DataOptionsTest : public testing::Test {
 protected:
  DataOptionsTest() { declare(table_, options_); }
  std::string refusal(const std::string& toml) {
    return test::message_of<ConfigError>([&] { table_.apply_toml(toml, "c.toml"); });
  }

  DataOptions options_;
  OptionTable table_;
};

TEST_F(DataOptionsTest, TakesTheDocumentedForms) {
  table_.apply_toml(
      "[data]\ntrain = ['a.h5:/x', 'b*.h5:/x']\nlabels = 'a.h5:/y'\n"
      "validation = 0.1\nwindow = 4096\nnan = 'skip'\n",
      "c.toml");
  EXPECT_THAT(options_.train, ElementsAre("a.h5:/x", "b*.h5:/x"));
  EXPECT_EQ(options_.labels, "a.h5:/y");
  EXPECT_EQ(options_.validation, "0.1");
  EXPECT_EQ(options_.window, 4096);
  EXPECT_EQ(options_.nan, "skip");
  EXPECT_FALSE(validation_is_file(options_));
  table_.apply_toml("[data]\nvalidation = 500\n", "c.toml");
  EXPECT_EQ(options_.validation, "500");
  table_.apply_toml("[data]\nvalidation = 'v.h5:/x'\ntrain = 'a.h5:/x'\n", "c.toml");
  EXPECT_TRUE(validation_is_file(options_));
  EXPECT_THAT(options_.train, ElementsAre("a.h5:/x"));
}

TEST_F(DataOptionsTest, RefusesWhatCannotBeMeant) {
  EXPECT_THAT(refusal("[data]\ntrain = 'a.h5'\n"),
              AllOf(HasSubstr("data.train"), HasSubstr("FILE:/path")));
  EXPECT_THAT(refusal("[data]\nlabels = 'a.h5'\n"), HasSubstr("data.labels"));
  EXPECT_THAT(refusal("[data]\nvalidation = 1.5\n"), HasSubstr("data.validation"));
  EXPECT_THAT(refusal("[data]\nvalidation = -0.5\n"), HasSubstr("data.validation"));
  EXPECT_THAT(refusal("[data]\nvalidation = 'some'\n"), HasSubstr("data.validation"));
  EXPECT_THAT(refusal("[data]\nwindow = 0\n"), HasSubstr("data.window"));
  EXPECT_THAT(refusal("[data]\nnan = 'ignore'\n"), HasSubstr("data.nan"));
}

}  // namespace
}  // namespace elbow
