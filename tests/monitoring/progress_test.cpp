#include "monitoring/progress.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::size_t columns(const std::string& text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

ProgressView example() {
  ProgressView view;
  view.total_samples = 800;
  view.total_epochs = 8;
  view.state.samples = 300;
  view.state.epoch = 3;
  view.state.figures = {
      {"ELBO", -102.34, "nats"}, {"reconstruction", -77.2, "nats"}, {"KL", 25.14, "nats"}};
  view.samples_per_second = 12.5;
  return view;
}

TEST(ProgressLine, Whole) {
  EXPECT_EQ(progress_line(example(), 0, false),
            " 37%  epoch 3/8  13 samples/s  ELBO -102.3 nats (reconstruction -77.2, KL 25.1)  "
            "40 s left");
}

TEST(ProgressLine, WithABar) {
  EXPECT_EQ(progress_line(example(), 200, false),
            "#########---------------   37%  epoch 3/8  13 samples/s  ELBO -102.3 nats "
            "(reconstruction -77.2, KL 25.1)  40 s left");
  EXPECT_THAT(progress_line(example(), 200, true), StartsWith("█████████░░░░░░░░░░░░░░░   37%"));
}

TEST(ProgressLine, FitsAnyWidth) {
  ProgressView view = example();
  view.state.note = "évaluating";
  for (const bool unicode : {false, true}) {
    for (int width = 1; width < 220; ++width) {
      const std::string line = progress_line(view, width, unicode);
      EXPECT_LE(columns(line), static_cast<std::size_t>(width)) << line;
      if (width >= 24) {
        EXPECT_THAT(line, HasSubstr("37%"));
        EXPECT_THAT(line, HasSubstr("ELBO -102.3 nats"));
      }
    }
  }
}

TEST(ProgressLine, LeavesOutTheLeastImportantFirst) {
  const std::string usual = progress_line(example(), 79, false);
  EXPECT_THAT(usual, StartsWith("##"));
  EXPECT_THAT(usual, Not(HasSubstr("KL")));
  EXPECT_THAT(usual, HasSubstr("40 s left"));
  EXPECT_THAT(progress_line(example(), 79, true), Not(HasSubstr("#")));
}

TEST(ProgressLine, BarIsEmptyThenFull) {
  ProgressView view;
  view.total_samples = 10;
  EXPECT_EQ(progress_line(view, 80, false), "------------------------    0%");
  EXPECT_EQ(progress_line(view, 14, true), "░░░░░░░░    0%");
  view.state.samples = 10;
  EXPECT_EQ(progress_line(view, 14, false), "########  100%");
  EXPECT_EQ(progress_line(view, 14, true), "████████  100%");
  view.state.samples = 9;
  EXPECT_EQ(progress_line(view, 14, true), "███████▏   90%");
  view.state.samples = 11;
  EXPECT_EQ(progress_line(view, 14, false), "########  100%");
}

// Whatever is done of it, the bar has its width.
TEST(ProgressLine, BarKeepsItsWidth) {
  ProgressView view;
  view.total_samples = 1000;
  for (view.state.samples = 0; view.state.samples <= 1000; ++view.state.samples) {
    EXPECT_EQ(columns(progress_line(view, 80, true)), 30U);
  }
}

TEST(ProgressLine, WithoutTotals) {
  ProgressView view;
  view.state.samples = 10;
  EXPECT_EQ(progress_line(view, 80, true), "");
  view.state.epoch = 2;
  view.samples_per_second = 1234.4;
  view.state.note = "saving";
  EXPECT_EQ(progress_line(view, 80, true), "epoch 2  1,234 samples/s  saving");
}

TEST(ProgressLine, Numbers) {
  ProgressView view;
  auto shown = [&](double value) {
    view.state.figures = {{"x", value, ""}};
    return progress_line(view, 0, false);
  };
  EXPECT_EQ(shown(0.12345), "x 0.123");
  EXPECT_EQ(shown(-9.8765), "x -9.877");
  EXPECT_EQ(shown(-1234.56), "x -1234.6");
  EXPECT_EQ(shown(1.5e9), "x 1.5e+09");
  EXPECT_EQ(shown(std::nan("")), "x nan");
  EXPECT_EQ(shown(-HUGE_VAL), "x -inf");
  view.state.figures = {{"loss", 1, "nats"}, {"density", 2, "bits"}};
  EXPECT_EQ(progress_line(view, 0, false), "loss 1.000 nats (density 2.000 bits)");
}

// A display with a clock and a width set by hand, which keeps what it is given.
struct Fake {
  double now = 100.0;
  int width = 100;
  std::vector<std::string> written;

  ProgressDisplay display(bool live) {
    return {live, false, [this] { return width; },
            [this](std::string_view text) { written.emplace_back(text); }, [this] { return now; }};
  }
};

ProgressState state(std::int64_t samples) {
  return {samples, samples / 100 + 1, {{"ELBO", -1.5, "nats"}}, ""};
}

TEST(Progress, PlainLinesNowAndThen) {
  Fake fake;
  Progress progress(10000, 100, 0, fake.display(false));
  std::vector<double> times;
  for (int step = 1; step <= 300; ++step) {  // half a second each
    fake.now += 0.5;
    const std::size_t before = fake.written.size();
    progress.update(state(step / 4));
    if (fake.written.size() > before) times.push_back(fake.now - 100);
  }
  ASSERT_GE(times.size(), 3U);
  EXPECT_EQ(times[0], 2.0);
  EXPECT_EQ(times[1], 12.0);
  EXPECT_EQ(times[2], 22.0);
  for (const auto& line : fake.written) {
    EXPECT_THAT(line, HasSubstr("ELBO -1.500 nats"));
    EXPECT_EQ(line.find_first_of("\r\x1b#"), std::string::npos);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
  }
}

TEST(Progress, FinishShowsTheLastStateOnce) {
  Fake fake;
  Progress progress(1000, 1, 0, fake.display(false));
  progress.update(state(500));
  EXPECT_THAT(fake.written, IsEmpty());
  progress.finish();
  ASSERT_EQ(fake.written.size(), 1U);
  EXPECT_THAT(fake.written[0], StartsWith(" 50%"));
  progress.finish();
  progress.update(state(1000));
  EXPECT_EQ(fake.written.size(), 1U);
}

TEST(Progress, NothingHappenedNothingShown) {
  for (const bool live : {false, true}) {
    Fake fake;
    { const Progress progress(1000, 1, 0, fake.display(live)); }
    EXPECT_THAT(fake.written, IsEmpty());
  }
}

TEST(Progress, LiveLineIsRedrawnAtMostTenTimesASecond) {
  Fake fake;
  Progress progress(100000, 1, 0, fake.display(true));
  for (int step = 1; step <= 1000; ++step) {  // a millisecond each
    fake.now += 0.001;
    progress.update(state(step));
  }
  EXPECT_GE(fake.written.size(), 9U);
  EXPECT_LE(fake.written.size(), 11U);
  for (const auto& drawn : fake.written) {
    EXPECT_THAT(drawn, StartsWith("\r"));
    EXPECT_THAT(drawn, testing::EndsWith("\x1b[K"));
    EXPECT_EQ(drawn.find('\n'), std::string::npos);
  }
  progress.finish();
  EXPECT_EQ(fake.written.back(), "\n");
}

// What was drawn on 100 columns lies on three rows of 40: the new line begins at the first of them.
TEST(Progress, LiveLineTakesThePlaceOfOneThatWasWrappedAnew) {
  Fake fake;
  ProgressDisplay display = fake.display(true);
  display.rewraps = true;
  Progress progress(1000, 1, 0, display);
  ProgressState shown = state(500);
  shown.note = std::string(40, 'n');
  progress.update(shown);
  ASSERT_GT(columns(fake.written.back()), 80U);
  for (const bool wrapped : {true, false}) {
    fake.now += 1.0;
    fake.width = 40;
    progress.update(shown);
    const std::string& drawn = fake.written.back();
    EXPECT_EQ(drawn.starts_with("\x1b[2A\r"), wrapped) << drawn;
    EXPECT_EQ(drawn.ends_with("\x1b[J"), wrapped) << drawn;
  }
}

// What was drawn on 100 columns lies on three rows of 40. What is written then stays whole: the
// line that comes next begins where it is.
TEST(Progress, LiveLineThatWasClearedIsDrawnWhereTheCursorIs) {
  Fake fake;
  ProgressDisplay display = fake.display(true);
  display.rewraps = true;
  Progress progress(1000, 1, 0, display);
  progress.clear();
  EXPECT_THAT(fake.written, IsEmpty());
  ProgressState shown = state(500);
  shown.note = std::string(40, 'n');
  progress.update(shown);
  ASSERT_GT(columns(fake.written.back()), 80U);
  fake.width = 40;
  progress.clear();
  EXPECT_EQ(fake.written.back(), "\x1b[2A\r\x1b[J");
  progress.update(shown);
  EXPECT_THAT(fake.written.back(), testing::AllOf(StartsWith("\r"), testing::EndsWith("\x1b[K")));
  EXPECT_EQ(fake.written.size(), 3U);
}

TEST(Progress, LiveLineFollowsTheWidth) {
  Fake fake;
  Progress progress(1000, 10, 0, fake.display(true));
  for (const int width : {100, 60, 30, 10, 1, 140}) {
    fake.width = width;
    fake.now += 1;
    progress.update(state(500));
    // Without "\r" and the three bytes that erase the rest, and a column stays free.
    EXPECT_LE(columns(fake.written.back()) - 4, static_cast<std::size_t>(std::max(1, width - 1)));
  }
}

TEST(Progress, ANewNoteIsShownAtOnce) {
  Fake fake;
  Progress progress(1000, 10, 0, fake.display(true));
  progress.update(state(10));
  fake.now += 0.001;
  ProgressState evaluating = state(11);
  evaluating.note = "evaluating";
  progress.update(evaluating);
  ASSERT_EQ(fake.written.size(), 2U);
  EXPECT_THAT(fake.written[1], HasSubstr("evaluating"));
}

std::string last_line(const Fake& fake) { return fake.written.back(); }

TEST(Progress, RateAndTimeLeft) {
  Fake fake;
  Progress progress(100000, 1, 0, fake.display(true));
  for (int step = 1; step <= 100; ++step) {
    fake.now += 0.1;
    progress.update(state(step * 100));  // 1,000 a second
  }
  EXPECT_THAT(last_line(fake), HasSubstr("  1,000 samples/s"));
  EXPECT_THAT(last_line(fake), HasSubstr("1 min 30 s left"));
  for (int step = 1; step <= 600; ++step) {
    fake.now += 0.1;
    progress.update(state(10000 + step * 20));  // and for a minute 200
  }
  EXPECT_THAT(last_line(fake), HasSubstr("21"));
  EXPECT_THAT(last_line(fake), HasSubstr(" samples/s"));
}

TEST(Progress, AResumedRunCountsItsOwnSamples) {
  Fake fake;
  Progress progress(2000, 1, 1000, fake.display(true));
  fake.now += 10;
  progress.update(state(1100));
  EXPECT_THAT(last_line(fake), HasSubstr("  10 samples/s"));
  EXPECT_THAT(last_line(fake), HasSubstr("1 min 30 s left"));
  EXPECT_THAT(last_line(fake), HasSubstr("55%"));
}

}  // namespace
}  // namespace elbow
