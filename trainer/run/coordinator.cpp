#include "trainer/run/coordinator.h"

#include "trainer/comm/together.h"

namespace elbow {
namespace {

enum Wish { kStop, kValidate, kSave, kCompare, kBusy, kStep, kMinusStep, kWishes };

}  // namespace

Coordinator::Coordinator(Communicator& comm, const Schedule& schedule)
    : comm_(comm), schedule_(schedule) {}

bool Coordinator::due_now(const Interval& interval, IntervalPosition position,
                          Clock::time_point& last) {
  const auto now = Clock::now();
  position.seconds_since_last = std::chrono::duration<double>(now - last).count();
  if (!due(interval, position)) return false;
  last = now;
  return true;
}

Decisions Coordinator::agree(IntervalPosition position, bool stop_requested, bool busy) {
  torch::Tensor wishes = torch::zeros({kWishes}, torch::kLong);
  auto* wish = wishes.data_ptr<std::int64_t>();
  if (stop_requested) wish[kStop] = static_cast<std::int64_t>(Stop::kSignal);
  wish[kBusy] = busy ? 1 : 0;
  if (comm_.rank() == 0) {
    const double elapsed = std::chrono::duration<double>(Clock::now() - started_).count();
    if (schedule_.time_limit > 0 && elapsed >= schedule_.time_limit) {
      wish[kStop] = static_cast<std::int64_t>(Stop::kTimeLimit);
    }
    wish[kValidate] = due_now(schedule_.validate, position, validated_) ? 1 : 0;
    wish[kSave] = due_now(schedule_.save, position, saved_) ? 1 : 0;
    wish[kCompare] = due_now(schedule_.compare, position, compared_) ? 1 : 0;
  }
  wish[kStep] = position.steps_done;
  wish[kMinusStep] = -position.steps_done;
  comm_.all_reduce(wishes, Reduction::kMax);
  if (wish[kStep] != -wish[kMinusStep]) {
    throw SharedError(fmt::format("the ranks are at different steps, {} to {}: please report it",
                                  -wish[kMinusStep], wish[kStep]),
                      ExitCode::kCommunication);
  }
  return {static_cast<Stop>(wish[kStop]), wish[kValidate] > 0, wish[kSave] > 0, wish[kCompare] > 0,
          wish[kBusy] > 0};
}

}  // namespace elbow
