#include "launch/cli/allocation.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "launch/cli/probes.h"

namespace elbow {
namespace {

constexpr char kRemedy[] =
    "a smaller batch or block, smaller model.widths, or fewer ranks on this machine need less; "
    "'elbow train --dry-run' shows what a training takes";

// The number behind `words`, "" where they are not there.
std::string_view number_behind(std::string_view text, std::string_view words) {
  const auto found = text.find(words);
  if (found == std::string_view::npos) return {};
  text.remove_prefix(found + words.size());
  return text.substr(0, text.find_first_not_of("0123456789"));
}

}  // namespace

std::string memory_problem() { return fmt::format("out of memory; {}", kRemedy); }

std::string memory_problem(std::string_view libtorch_message) {
  if (libtorch_message.starts_with("CUDA out of memory")) {
    return fmt::format("{}; {}", libtorch_message.substr(0, libtorch_message.find('\n')), kRemedy);
  }
  std::int64_t bytes = 0;
  if (!parse_number(number_behind(libtorch_message, "you tried to allocate "), bytes)) return "";
  return fmt::format("out of memory: {} were asked for at once, and {} are available; {}",
                     human_bytes(static_cast<double>(bytes)), human_bytes(main_memory().available),
                     kRemedy);
}

void require_memory(double state_bytes) {
  const double total = main_memory().total;
  if (total <= 0 || state_bytes <= total) return;
  throw Error(fmt::format(
      "the parameters of this model, with their gradients and the optimiser's moments, take {} a "
      "rank, more than the {} that this machine has: choose smaller model.widths, or for images "
      "and signals model.network 'convolutional'; --dry-run shows what each layer takes",
      human_bytes(state_bytes), human_bytes(total)));
}

}  // namespace elbow
