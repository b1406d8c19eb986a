# In a build for the processor: programs for GPUs, linked from the same objects. LibTorch's wheel is one and the same
# with and without CUDA, so that our own objects fit both, but for NCCL's. It costs continuous integration one source
# and one link in place of a second build.
set(ELBOW_CUDA_LINK AUTO CACHE STRING "Also link programs for GPUs: AUTO where launch/setup --link-cuda was run, ON, OFF")
set_property(CACHE ELBOW_CUDA_LINK PROPERTY STRINGS AUTO ON OFF)

set(ELBOW_CUDA_LINKABLE OFF)
set(cuda_site "${PROJECT_SOURCE_DIR}/.deps/cuda")
set(cuda_parts
  torch/lib/libtorch_cpu.so torch/lib/libtorch.so torch/lib/libtorch_cuda.so torch/lib/libc10_cuda.so
  nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/include/cuda_runtime_api.h
  nvidia/nccl/lib/libnccl.so.2 nvidia/nccl/include/nccl.h)
set(cuda_missing "")
foreach(part IN LISTS cuda_parts)
  if(NOT EXISTS "${cuda_site}/${part}")
    list(APPEND cuda_missing "${part}")
  endif()
endforeach()
if(NOT ELBOW_CUDA AND ELBOW_CUDA_LINK AND NOT ELBOW_SANITIZE AND NOT cuda_missing)
  set(ELBOW_CUDA_LINKABLE ON)
endif()
if(ELBOW_CUDA_LINK AND NOT ELBOW_CUDA_LINK STREQUAL "AUTO" AND NOT ELBOW_CUDA_LINKABLE)
  if(cuda_missing)
    list(JOIN cuda_missing ", " cuda_missing)
    message(FATAL_ERROR "ELBOW_CUDA_LINK: ${cuda_site} lacks ${cuda_missing}.\n"
      "Run launch/setup --link-cuda, and configure again.")
  endif()
  message(FATAL_ERROR "ELBOW_CUDA_LINK is for builds without ELBOW_CUDA and without sanitizers.")
endif()

# elbow_link_cuda(TARGET): TARGET_cuda, which is not part of all. Its run path begins with the CUDA wheels, so that all
# of LibTorch comes from there.
function(elbow_link_cuda target)
  get_target_property(libraries ${target} LINK_LIBRARIES)
  # The archive's own stub of NCCL stays out of the link: nccl.cpp's object has defined its names before.
  add_executable(${target}_cuda EXCLUDE_FROM_ALL $<TARGET_OBJECTS:${target}> $<TARGET_OBJECTS:elbow_nccl>)
  target_link_libraries(${target}_cuda PRIVATE ${libraries}
    # Nothing of ours names a symbol of torch_cuda, which registers its kernels when it is loaded.
    -Wl,--push-state,--no-as-needed "${cuda_site}/torch/lib/libtorch.so" "${cuda_site}/torch/lib/libtorch_cuda.so"
    -Wl,--pop-state "${cuda_site}/torch/lib/libc10_cuda.so" "${cuda_site}/nvidia/cu13/lib/libcudart.so.13"
    "${cuda_site}/nvidia/nccl/lib/libnccl.so.2")
  set_target_properties(${target}_cuda PROPERTIES LINKER_LANGUAGE CXX
    BUILD_RPATH "${cuda_site}/torch/lib;${cuda_site}/nvidia/cu13/lib;${cuda_site}/nvidia/nccl/lib")
endfunction()

if(ELBOW_CUDA_LINKABLE)
  add_library(elbow_nccl OBJECT EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/trainer/comm/nccl.cpp")
  target_link_libraries(elbow_nccl PRIVATE elbow_comm)
  target_include_directories(elbow_nccl SYSTEM PRIVATE
    "${cuda_site}/nvidia/cu13/include" "${cuda_site}/nvidia/nccl/include")
  elbow_use_torch_if_linked(elbow_nccl elbow_comm)
  elbow_link_cuda(elbow)
endif()
