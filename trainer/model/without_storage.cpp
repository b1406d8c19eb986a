#include "trainer/model/without_storage.h"

#include <torch/library.h>

namespace elbow {
namespace {

// LibTorch keeps this key for those who want to make modules and not yet their values
// (c10/core/DispatchKey.h): every operation passes here before any other.
constexpr auto kKey = c10::DispatchKey::DeferredInit;

void on_meta_device(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard once(kKey);
  const auto& arguments = operation.schema().arguments();
  const std::size_t first = stack->size() - arguments.size();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].name() == "device") (*stack)[first + i] = c10::Device(c10::kMeta);
  }
  operation.callBoxed(stack);
}

TORCH_LIBRARY_IMPL(_, DeferredInit, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_meta_device>());
}

}  // namespace

WithoutStorage::WithoutStorage() : guard_(kKey) {}
WithStorage::WithStorage() : guard_(kKey) {}

}  // namespace elbow
