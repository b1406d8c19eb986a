// What a rank says of a collective that it is about to make.
#pragma once

#include <cstdint>
#include <string>

namespace elbow {

enum class Collective {
  kAllReduce,
  kStartAllReduce,
  kBroadcast,
  kAllGather,
  kAllToAll,
  kBarrier,
  kEnd
};

// What tensors may hold that are sent.
enum class ElementType { kFloat, kDouble, kInt64, kUint8 };

struct CollectiveCall {
  Collective collective;
  std::int64_t elements = 0;
  ElementType type = ElementType::kUint8;
  int detail = 0;  // root, or kind of reduction
  bool on_device = false;

  bool operator==(const CollectiveCall&) const = default;
  std::string text() const;  // "all_reduce of 5 Float", in LibTorch's words for types
};

}  // namespace elbow
