#include "data/order.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace elbow {
namespace {

constexpr std::int64_t kSlabRows = 256;

// Streams of the order's key: 0 orders all samples or all slabs, 1 + w the window w.
constexpr std::uint64_t kWhole = 0;

}  // namespace

namespace order_detail {

// The slabs of all parts, numbered through, without a table of them.
struct Plan {
  struct PartSlabs {
    std::int64_t first_slab;
    std::int64_t first_row;
    std::int64_t rows;
    std::int64_t slab_rows;
  };

  Split split;
  std::uint64_t seed;
  std::int64_t window;
  bool windowed;
  std::int64_t slab_count = 0;
  std::vector<PartSlabs> parts;

  const PartSlabs& part_of(std::int64_t slab) const {
    const auto behind =
        std::upper_bound(parts.begin(), parts.end(), slab,
                         [](std::int64_t s, const PartSlabs& part) { return s < part.first_slab; });
    return *(behind - 1);
  }
  std::int64_t first_row(std::int64_t slab) const {
    const PartSlabs& part = part_of(slab);
    return part.first_row + (slab - part.first_slab) * part.slab_rows;
  }
  std::int64_t last_row(std::int64_t slab) const {
    const PartSlabs& part = part_of(slab);
    return part.first_row + std::min(part.rows, (slab - part.first_slab + 1) * part.slab_rows);
  }
  std::int64_t samples(std::int64_t slab) const {
    return split.training_before(last_row(slab)) - split.training_before(first_row(slab));
  }
};

}  // namespace order_detail

using order_detail::Plan;

namespace {

std::int64_t last_not_above(const std::vector<std::int64_t>& starts, std::int64_t position) {
  return std::upper_bound(starts.begin(), starts.end(), position) - starts.begin() - 1;
}

}  // namespace

Order::Order(const Split& split, std::span<const PartLayout> parts, std::uint64_t seed,
             std::int64_t window) {
  const bool windowed = std::any_of(parts.begin(), parts.end(),
                                    [](const PartLayout& part) { return part.chunk_rows > 1; });
  const std::int64_t in_window = std::clamp<std::int64_t>(window, 1, split.training_count());
  auto plan = std::make_shared<Plan>(Plan{split, seed, in_window, windowed, 0, {}});
  std::int64_t rows = 0;
  for (const PartLayout& part : parts) {
    if (part.first != rows) throw Error("the parts of a data set must follow one another");
    const std::int64_t chunks = (kSlabRows + part.chunk_rows - 1) / part.chunk_rows;
    const std::int64_t slab_rows = chunks * part.chunk_rows;
    plan->parts.push_back({plan->slab_count, part.first, part.rows, slab_rows});
    plan->slab_count += (part.rows + slab_rows - 1) / slab_rows;
    rows += part.rows;
  }
  if (rows != split.size()) {
    throw Error(
        fmt::format("a split of {} samples does not fit a data set of {}", split.size(), rows));
  }
  plan_ = std::move(plan);
}

std::int64_t Order::size() const { return plan_->split.training_count(); }

bool Order::windowed() const { return plan_->windowed; }

EpochOrder Order::epoch(std::uint32_t number) const { return {plan_, number}; }

EpochOrder::EpochOrder(std::shared_ptr<const Plan> plan, std::uint32_t epoch)
    : plan_(std::move(plan)),
      key_{.seed = plan_->seed, .purpose = Purpose::kOrder, .epoch = epoch},
      whole_(plan_->windowed ? plan_->slab_count : size(), key_, kWhole) {
  if (!plan_->windowed) return;
  // Windows of equal size rather than a small last one, in which a few slabs would mix badly.
  const std::int64_t windows = (size() + plan_->window - 1) / plan_->window;
  const double window = static_cast<double>(size()) / static_cast<double>(windows);
  slab_starts_.reserve(static_cast<std::size_t>(plan_->slab_count) + 1);
  std::int64_t start = 0;
  for (std::int64_t i = 0; i < plan_->slab_count; ++i) {
    slab_starts_.push_back(start);
    const auto full = static_cast<double>(window_starts_.size()) * window;
    if (window_starts_.empty() ||
        (static_cast<double>(start) >= full && window_starts_.back() != start)) {
      window_starts_.push_back(start);
    }
    start += plan_->samples(whole_(i));
  }
  slab_starts_.push_back(start);
  if (window_starts_.back() == start && window_starts_.size() > 1) window_starts_.pop_back();
  window_starts_.push_back(start);
}

std::int64_t EpochOrder::size() const { return plan_->split.training_count(); }

std::int64_t EpochOrder::at(std::int64_t position) const {
  if (position < 0 || position >= size()) {
    throw Error(fmt::format("there is no position {} in an epoch of {}", position, size()));
  }
  if (plan_->windowed) return at_in_windows(position);
  return plan_->split.training(whole_(position));
}

std::int64_t EpochOrder::at_in_windows(std::int64_t position) const {
  const std::int64_t window = last_not_above(window_starts_, position);
  const std::int64_t start = window_starts_[static_cast<std::size_t>(window)];
  const std::int64_t count = window_starts_[static_cast<std::size_t>(window) + 1] - start;
  const Permutation within(count, key_, kWhole + 1 + static_cast<std::uint64_t>(window));
  const std::int64_t place = start + within(position - start);
  // Slabs without training samples share their start with the next one: the last of them has it.
  const std::int64_t turn = last_not_above(slab_starts_, place);
  const std::int64_t row = plan_->first_row(whole_(turn));
  const std::int64_t ordinal =
      plan_->split.training_before(row) + place - slab_starts_[static_cast<std::size_t>(turn)];
  return plan_->split.training(ordinal);
}

}  // namespace elbow
