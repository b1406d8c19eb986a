// Where a step's time goes.
#pragma once

#include <chrono>

namespace elbow {

// Runs `phase` and adds the seconds it took to `seconds`. What it returns or throws is passed on.
template <typename Phase>
auto timed(double& seconds, Phase phase) {
  using Clock = std::chrono::steady_clock;
  struct AddTime {
    double& seconds;
    Clock::time_point begin = Clock::now();
    ~AddTime() { seconds += std::chrono::duration<double>(Clock::now() - begin).count(); }
  } add{seconds};
  return phase();
}

}  // namespace elbow
