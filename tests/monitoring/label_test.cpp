#include "monitoring/label.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

TEST(Label, ValidTextIsKept) {
  for (const std::string text :
       {"", "first run", "größe", "Δ→", "𝄞", "\xF4\x8F\xBF\xBF", "\\ \""}) {
    EXPECT_EQ(label_value(text), text);
  }
}

TEST(Label, WhatIsNotUtf8IsReplaced) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(label_value("a\xFFz"), "a" + mark + "z");
  EXPECT_EQ(label_value("\x80"), mark);                        // continues nothing
  EXPECT_EQ(label_value("\xC0\xAF"), mark + mark);             // overlong
  EXPECT_EQ(label_value("\xE0\x80\x80"), mark + mark + mark);  // overlong
  EXPECT_EQ(label_value("\xED\xA0\x80"), mark + mark + mark);  // a surrogate
  EXPECT_EQ(label_value("\xF0\x80\x80\x80"), mark + mark + mark + mark);
  EXPECT_EQ(label_value("\xF4\x90\x80\x80"), mark + mark + mark + mark);  // beyond U+10FFFF
  EXPECT_EQ(label_value("\xF5"), mark);
  EXPECT_EQ(label_value("gr\xC3"), "gr" + mark);  // cut off
  EXPECT_EQ(label_value("\xC3(ok"), mark + "(ok");
}

TEST(Label, ControlCharactersAreBlanks) {
  EXPECT_EQ(label_value(std::string("a\nb\tc\0d\x7F", 8)), "a b c d ");
}

TEST(Label, LongTextIsCutBetweenCharacters) {
  EXPECT_EQ(label_value(std::string(1000, 'x')), std::string(128, 'x'));
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += "€";  // three bytes
  EXPECT_EQ(label_value(wide).size(), 126u);
  EXPECT_TRUE(wide.starts_with(label_value(wide)));
  EXPECT_EQ(label_value(std::string(1000, '\xFF')).size(), 126u);
}

TEST(Label, NamesAreWhatPrometheusTakes) {
  EXPECT_EQ(label_name("version"), "version");
  EXPECT_EQ(label_name("Data_Set9"), "Data_Set9");
  EXPECT_EQ(label_name("data-set.name"), "data_set_name");
  EXPECT_EQ(label_name("9lives"), "_9lives");
  EXPECT_EQ(label_name(""), "_");
  EXPECT_EQ(label_name("__name__"), "name__");
  EXPECT_EQ(label_name("__9"), "_9");
  EXPECT_EQ(label_name("____"), "_");
  EXPECT_EQ(label_name("größe"), "gr____e");
  EXPECT_EQ(label_name(std::string(1000, 'x')), std::string(64, 'x'));
}

}  // namespace
}  // namespace elbow
