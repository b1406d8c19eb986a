#include "monitoring/progress.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "monitoring/terminal.h"

namespace elbow {
namespace {

constexpr double kSecondsBetweenDrawings = 0.1;
constexpr double kSecondsToFirstLine = 2.0;
constexpr double kSecondsBetweenLines = 10.0;
constexpr double kSecondsBetweenMeasurements = 0.05;
constexpr double kRateMemorySeconds = 15.0;
constexpr int kLongestBar = 24;
constexpr int kShortestBar = 8;

// One process has one stderr.
std::atomic<bool> progress_wanted = true;

// Columns a text takes, counting a code point as one.
int columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

double fraction(const ProgressView& view) {
  if (view.total_samples <= 0) return 0.0;
  const double done =
      static_cast<double>(view.state.samples) / static_cast<double>(view.total_samples);
  return std::clamp(done, 0.0, 1.0);
}

std::string bar(double done, int width, bool unicode) {
  constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::string text;
  if (!unicode) {
    const int full = static_cast<int>(done * width);
    text.append(static_cast<std::size_t>(full), '#');
    return text.append(static_cast<std::size_t>(width - full), '-');
  }
  const int eighths = static_cast<int>(done * width * 8);
  for (int i = 0; i < eighths / 8; ++i) text += "█";
  text += kEighths[static_cast<std::size_t>(eighths % 8)];
  for (int i = (eighths + 7) / 8; i < width; ++i) text += "░";
  return text;
}

std::string value_text(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}", value);
  return fmt::format("{:.{}f}", value, size >= 10 || !std::isfinite(value) ? 1 : 3);
}

std::string figure_text(const ProgressFigure& figure, const std::string& unit_known) {
  std::string text = fmt::format("{} {}", figure.name, value_text(figure.value));
  if (!figure.unit.empty() && figure.unit != unit_known) text += " " + figure.unit;
  return text;
}

std::string terms_text(const std::vector<ProgressFigure>& figures) {
  std::vector<std::string> terms;
  for (std::size_t i = 1; i < figures.size(); ++i) {
    terms.push_back(figure_text(figures[i], figures[0].unit));
  }
  return terms.empty() ? "" : fmt::format("({})", join(terms, ", "));
}

std::string time_left_text(const ProgressView& view) {
  const std::int64_t left = view.total_samples - view.state.samples;
  if (view.total_samples <= 0 || left <= 0) return "";
  if (!view.samples_per_second || *view.samples_per_second <= 0) return "";
  return human_duration(static_cast<double>(left) / *view.samples_per_second) + " left";
}

std::string rate_text(const ProgressView& view) {
  if (!view.samples_per_second) return "";
  const double rate = *view.samples_per_second;
  if (rate < 10) return fmt::format("{:.1f} samples/s", rate);
  return human_count(std::llround(rate)) + " samples/s";
}

std::string epoch_text(const ProgressView& view) {
  if (view.state.epoch <= 0) return "";
  if (view.total_epochs <= 0) return fmt::format("epoch {}", view.state.epoch);
  return fmt::format("epoch {}/{}", view.state.epoch, view.total_epochs);
}

// The parts of a line in the order they are shown.
enum Part { kPercent, kEpoch, kRate, kHead, kTerms, kLeft, kNote, kParts };
using Parts = std::array<std::string, kParts>;

Parts make_parts(const ProgressView& view) {
  Parts parts;
  if (view.total_samples > 0) {
    // Rounded down: 100% is said when all is done.
    parts[kPercent] = fmt::format("{:3.0f}%", std::floor(100 * fraction(view)));
  }
  parts[kEpoch] = epoch_text(view);
  parts[kRate] = rate_text(view);
  if (!view.state.figures.empty()) parts[kHead] = figure_text(view.state.figures[0], "");
  parts[kTerms] = terms_text(view.state.figures);
  parts[kLeft] = time_left_text(view);
  parts[kNote] = view.state.note;
  return parts;
}

std::string joined(const Parts& parts) {
  std::string line;
  for (int part = 0; part < kParts; ++part) {
    const std::string& text = parts[static_cast<std::size_t>(part)];
    if (text.empty()) continue;
    if (!line.empty()) line += part == kTerms ? " " : "  ";
    line += text;
  }
  return line;
}

std::string cut(std::string text, int width) {
  while (columns(text) > width) {
    do {
      const bool whole = (static_cast<unsigned char>(text.back()) & 0xC0) != 0x80;
      text.pop_back();
      if (whole) break;
    } while (!text.empty());
  }
  return text;
}

}  // namespace

std::string progress_line(const ProgressView& view, int width, bool unicode) {
  Parts parts = make_parts(view);
  std::string line = joined(parts);
  if (width <= 0) return line;
  const bool has_bar = view.total_samples > 0;
  const int bar_room = has_bar ? kShortestBar + 2 : 0;
  for (const Part part : {kNote, kTerms, kRate, kEpoch, kLeft}) {
    if (columns(line) + bar_room <= width) break;
    parts[part].clear();
    line = joined(parts);
  }
  // In fours, so that the bar does not tremble with the length of the text behind it.
  const int bar_width = std::min(width - columns(line) - 2, kLongestBar) / 4 * 4;
  if (has_bar && bar_width >= kShortestBar) {
    return bar(fraction(view), bar_width, unicode) + "  " + line;
  }
  return cut(std::move(line), width);
}

void show_progress(bool shown) { progress_wanted = shown; }

ProgressDisplay stderr_display() {
  const auto terminal = std::make_shared<Terminal>();
  ProgressDisplay display;
  display.live = progress_wanted && terminal->found();
  display.rewraps = terminal->rewraps();
  display.unicode = locale_is_utf8();
  display.width = [terminal] { return terminal->width(); };
  display.write = [](std::string_view text) {
    if (!progress_wanted) return;
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  display.now = [] {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(time).count();
  };
  return display;
}

Progress::Progress(std::int64_t total_samples, std::int64_t total_epochs,
                   std::int64_t samples_before, ProgressDisplay display)
    : display_(std::move(display)), measured_samples_(samples_before) {
  view_.total_samples = total_samples;
  view_.total_epochs = total_epochs;
  view_.state.samples = samples_before;
  started_ = display_.now();
  measured_at_ = started_;
}

Progress::~Progress() {
  try {
    finish();
  } catch (const std::exception& error) {
    log::debug("progress: {}", error.what());
  }
}

void Progress::update(const ProgressState& state) {
  if (finished_) return;
  const double now = display_.now();
  const bool news = state.note != view_.state.note;
  measure_rate(state.samples, now);
  current_ = current_ && state.samples == view_.state.samples;
  view_.state = state;
  if (display_.live) {
    if (!shown_ || news || now - last_shown_ >= kSecondsBetweenDrawings) draw(now);
    return;
  }
  const double since = shown_ ? now - last_shown_ : now - started_;
  const double wait = shown_ ? kSecondsBetweenLines : kSecondsToFirstLine;
  if (since >= wait) print(now);
}

// The mean over the last quarter of a minute or so: sums of samples and seconds that fade away.
// Unlike an average of rates it isn't misled by steps of unequal length.
void Progress::measure_rate(std::int64_t samples, double now) {
  const double seconds = now - measured_at_;
  if (seconds < kSecondsBetweenMeasurements) return;
  const double kept = std::exp(-seconds / kRateMemorySeconds);
  recent_samples_ = recent_samples_ * kept + static_cast<double>(samples - measured_samples_);
  recent_seconds_ = recent_seconds_ * kept + seconds;
  measured_samples_ = samples;
  measured_at_ = now;
  view_.samples_per_second = std::max(0.0, recent_samples_ / recent_seconds_);
}

// Where the line on the terminal begins. One that has become narrower has wrapped it into rows.
std::string Progress::to_beginning(int width) const {
  const int rows_above = display_.rewraps ? (columns_drawn_ - 1) / width : 0;
  return rows_above > 0 ? fmt::format("\x1b[{}A\r", rows_above) : "\r";
}

void Progress::clear() {
  if (!display_.live || !shown_ || finished_) return;
  display_.write(to_beginning(std::max(2, display_.width())) + "\x1b[J");
  columns_drawn_ = 1;
  shown_ = false;
  log::set_progress_shown(false);
}

void Progress::draw(double now) {
  const int width = std::max(2, display_.width());
  const std::string begin = to_beginning(width);
  // The last column stays free: a terminal that writes there may wrap.
  const std::string line = progress_line(view_, width - 1, display_.unicode);
  display_.write(begin + line + (begin == "\r" ? "\x1b[K" : "\x1b[J"));
  columns_drawn_ = std::max(1, columns(line));
  log::set_progress_shown(true);
  last_shown_ = now;
  shown_ = current_ = true;
}

void Progress::print(double now) {
  display_.write(progress_line(view_, 0, false) + "\n");
  last_shown_ = now;
  shown_ = current_ = true;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  const double now = display_.now();
  measure_rate(view_.state.samples, now);
  view_.state.note.clear();
  if (display_.live) {
    if (shown_ || !view_.state.figures.empty()) {
      draw(now);
      display_.write("\n");
    }
    log::set_progress_shown(false);
  } else if (!current_ && (shown_ || !view_.state.figures.empty())) {
    print(now);
  }
}

}  // namespace elbow
