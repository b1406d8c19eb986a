#include "trainer/comm/watch/collective_call.h"

#include <fmt/format.h>

namespace elbow {

std::string CollectiveCall::text() const {
  constexpr const char* kNames[] = {
      "all_reduce", "start_all_reduce",      "broadcast", "all_gather", "all_to_all",
      "barrier",    "the end of the program"};
  constexpr const char* kTypes[] = {"Float", "Double", "Long", "Byte"};
  const std::string name = kNames[static_cast<std::size_t>(collective)];
  if (collective == Collective::kBarrier || collective == Collective::kEnd) return name;
  return fmt::format("{} of {} {}{}", name, elements, kTypes[static_cast<std::size_t>(type)],
                     on_device ? " on the device" : "");
}

}  // namespace elbow
