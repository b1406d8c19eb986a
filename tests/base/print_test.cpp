#include "base/print.h"

#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "tests/base/message_of.h"

namespace elbow {
namespace {

using test::message_of;

TEST(Printable, TextIsKept) {
  for (const std::string text : {"", "two\nlines\tand a tabulator", "größe", "Δ→", "𝄞",
                                 "\xF4\x8F\xBF\xBF", "\\ \"", "नी\u200D", "می\u200Cخواهم"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, WhatATerminalObeysIsShown) {
  EXPECT_EQ(printable("\x1b[2J"), "\\u001b[2J");
  EXPECT_EQ(printable("\x1b]0;owned\x07"), "\\u001b]0;owned\\u0007");
  EXPECT_EQ(printable("100%\r  0%\b\x7f"), "100%\\u000d  0%\\u0008\\u007f");
  EXPECT_EQ(printable("\u009b31m"), "\\u009b31m");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\u0000b");
}

TEST(Printable, WhatReordersOrHidesTextIsShown) {
  EXPECT_EQ(printable("gpj.\u202Eexe"), "gpj.\\u202eexe");
  EXPECT_EQ(printable("\u200Ba\u200E\u2066b\u2069\u061C"), "\\u200ba\\u200e\\u2066b\\u2069\\u061c");
  EXPECT_EQ(printable("a\u2028b\u2029"), "a\\u2028b\\u2029");
  EXPECT_EQ(printable("\uFEFFx\uFFF9"), "\\ufeffx\\ufff9");
  EXPECT_EQ(printable("\U000E0041"), "\\U000e0041");
}

// Also a C1 control in a single byte, which some terminals obey.
TEST(Printable, BytesThatAreNotUtf8AreShown) {
  EXPECT_EQ(printable("a\x9bz"), "a\\x9bz");
  EXPECT_EQ(printable("gr\xC3"), "gr\\xc3");
  EXPECT_EQ(printable("\xC0\x9B"), "\\xc0\\x9b");
  EXPECT_EQ(printable("\xE0\x80\x9B"), "\\xe0\\x80\\x9b");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\\xed\\xa0\\x80");
}

TEST(Printable, WhatIsPrintableStays) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte);
  const std::string shown = printable(text);
  EXPECT_EQ(printable(shown), shown);
  EXPECT_EQ(shown.find_first_of("\x1b\x7f\r"), std::string::npos);
}

TEST(Print, ErrorsAreClean) {
  testing::internal::CaptureStderr();
  print_error("cannot read a\x1b[31m.h5");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "elbow: cannot read a\\u001b[31m.h5\n");
}

TEST(Print, ResultsAreClean) {
  testing::internal::CaptureStdout();
  print("/train\x1b[31m  [3]\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "/train\\u001b[31m  [3]\n");
}

TEST(Print, AFullDiskIsAnError) {
  std::fflush(stdout);
  const Descriptor kept(::dup(STDOUT_FILENO));
  ASSERT_NE(std::freopen("/dev/full", "w", stdout), nullptr);
  const std::string message = message_of([] { print("a result\n"); });
  std::clearerr(stdout);
  ASSERT_EQ(::dup2(kept.get(), STDOUT_FILENO), STDOUT_FILENO);
  EXPECT_EQ(message, "cannot write to standard output: No space left on device");
}

}  // namespace
}  // namespace elbow
