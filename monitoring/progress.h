// How far a run is: one line that is redrawn on a terminal, a line now and then elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace elbow {

// A number with the name and the unit it is shown with: {"ELBO", -102.3, "nats"}.
struct ProgressFigure {
  std::string name;
  double value = 0.0;
  std::string unit;
};

struct ProgressState {
  std::int64_t samples = 0;  // seen since the beginning of the run, over the whole job
  std::int64_t epoch = 0;    // the current one, from 1; 0 where there are none
  // The first is the head, the others, in brackets, its terms; empty while none is known.
  std::vector<ProgressFigure> figures;
  std::string note;  // what happens beside training: "evaluating", "saving"
};

// What a line is made of.
struct ProgressView {
  std::int64_t total_samples = 0;  // 0: unknown, neither bar nor percent nor time left
  std::int64_t total_epochs = 0;
  ProgressState state;
  std::optional<double> samples_per_second;
};

// One line, without its end, of at most `width` columns; width 0 means any length, without a bar.
// What doesn't fit is left out, the least important first: the bar gets short, then the note, the
// terms, the rate, the epoch, the time left and the bar go. UTF-8 in the bar only with `unicode`.
//   #######-------------  37%  epoch 3/8  5,210 samples/s  ELBO -102.3 nats (KL 25.1)  40 s left
std::string progress_line(const ProgressView& view, int width, bool unicode);

// Where and how it is shown; tests supply their own.
struct ProgressDisplay {
  bool live = false;  // one line redrawn in place, else whole lines
  bool unicode = false;
  std::function<int()> width;  // columns, asked at each drawing of a live line
  std::function<void(std::string_view)> write;
  std::function<double()> now;  // seconds of a clock that never goes back
  bool rewraps = false;         // the terminal wraps a line anew when it becomes narrower
};

// stderr; live when a terminal is behind it (see Terminal). No colours are used, so NO_COLOR has
// nothing to switch off.
ProgressDisplay stderr_display();

// Whether stderr_display() shows anything; it does until it is told not to (--quiet).
void show_progress(bool shown);

// Live, the line is drawn at most ten times a second, and log lines go above it. Otherwise there is
// a line after two seconds, then every ten seconds.
// Used by one thread.
class Progress {
 public:
  // `total_samples` over all epochs; `samples_before` were seen by earlier processes of the run and
  // don't count for the rate.
  Progress(std::int64_t total_samples, std::int64_t total_epochs, std::int64_t samples_before = 0,
           ProgressDisplay display = stderr_display());
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough for every step.
  void update(const ProgressState& state);

  // Takes a live line away, until the next update: what is written now stands above it, whole, also
  // where the terminal has become narrower since.
  void clear();

  // Shows the last state and ends the line. Nothing is shown afterwards.
  void finish();

 private:
  void measure_rate(std::int64_t samples, double now);
  std::string to_beginning(int width) const;
  void draw(double now);
  void print(double now);

  ProgressDisplay display_;
  ProgressView view_;
  double started_ = 0.0;
  double last_shown_ = 0.0;
  int columns_drawn_ = 1;  // of the live line
  bool shown_ = false;     // something was shown at all
  bool current_ = false;   // the latest state was shown
  bool finished_ = false;
  // Samples and seconds since the last measurement of the rate, and their decaying sums.
  std::int64_t measured_samples_ = 0;
  double measured_at_ = 0.0;
  double recent_samples_ = 0.0;
  double recent_seconds_ = 0.0;
};

}  // namespace elbow
