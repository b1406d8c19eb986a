// Tensors that have a type and a shape, and no memory: to learn what something takes must not take
// it.
#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

namespace elbow {

// Tensors that this thread makes while one lives are on LibTorch's meta device: what is computed of
// them has shapes and no values.
class WithoutStorage {
 public:
  WithoutStorage();

 private:
  c10::impl::IncludeDispatchKeyGuard guard_;
};

// An exception within it: tensors with values again.
class WithStorage {
 public:
  WithStorage();

 private:
  c10::impl::ExcludeDispatchKeyGuard guard_;
};

}  // namespace elbow
