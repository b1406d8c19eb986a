# LibTorch from its PyPI wheel, or unpacked from its zip: target LibTorch::LibTorch, LibTorch_VERSION, LibTorch_FOLDER
# (with include/ and lib/), LibTorch_RUNTIME_LIBRARIES (files an installed program needs beside it).
#
# The wheel's own package file asks for a CUDA toolkit even in a build for the processor alone, so the libraries are
# found here. Places, in this order: LIBTORCH_ROOT, CMAKE_PREFIX_PATH, what launch/setup put into .deps.
set(torch_places ${LIBTORCH_ROOT})
if(DEFINED ENV{LIBTORCH_ROOT})
  list(APPEND torch_places "$ENV{LIBTORCH_ROOT}")
endif()
list(APPEND torch_places ${CMAKE_PREFIX_PATH})
if(DEFINED ENV{CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" torch_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  list(APPEND torch_places ${torch_prefixes})
endif()
if(NOT ELBOW_CUDA)
  list(APPEND torch_places "${PROJECT_SOURCE_DIR}/.deps/cpu")
endif()
list(APPEND torch_places "${PROJECT_SOURCE_DIR}/.deps/cuda")

unset(LibTorch_FOLDER)
foreach(place IN LISTS torch_places)
  foreach(folder IN ITEMS "${place}/torch" "${place}")
    if(NOT LibTorch_FOLDER AND EXISTS "${folder}/include/torch/headeronly/version.h" AND EXISTS "${folder}/lib/libtorch_cpu.so")
      set(LibTorch_FOLDER "${folder}")
    endif()
  endforeach()
endforeach()

set(LibTorch_NOTE "")
if(LibTorch_FOLDER)
  set(LibTorch_VERSION "")
  foreach(part IN ITEMS MAJOR MINOR PATCH)
    file(STRINGS "${LibTorch_FOLDER}/include/torch/headeronly/version.h" torch_version
      REGEX "^#define TORCH_VERSION_${part} [0-9]+")
    string(REGEX REPLACE "^.* " "" torch_version "${torch_version}")
    list(APPEND LibTorch_VERSION "${torch_version}")
  endforeach()
  list(JOIN LibTorch_VERSION "." LibTorch_VERSION)
  set(torch_libraries torch_cpu c10)
  if(ELBOW_CUDA)
    list(APPEND torch_libraries torch torch_cuda c10_cuda)
  endif()
  # Beside the wheel lie those of NVIDIA. libtorch_cpu.so needs two of them even without a GPU.
  get_filename_component(torch_site "${LibTorch_FOLDER}" DIRECTORY)
  file(GLOB LibTorch_RUNTIME_LIBRARIES "${LibTorch_FOLDER}/lib/libgomp*.so*"
    "${torch_site}/nvidia/cu13/lib/libcudart.so*" "${torch_site}/nvidia/cu13/lib/libcupti.so*")
  if(ELBOW_CUDA)
    file(GLOB torch_cuda_libraries "${torch_site}/nvidia/*/lib/*.so*" "${LibTorch_FOLDER}/lib/libtorch_cuda_linalg.so"
      "${LibTorch_FOLDER}/lib/libtorch_nvshmem.so" "${LibTorch_FOLDER}/lib/libcaffe2_nvrtc.so")
    list(APPEND LibTorch_RUNTIME_LIBRARIES ${torch_cuda_libraries})
    list(REMOVE_DUPLICATES LibTorch_RUNTIME_LIBRARIES)
    find_library(LibTorch_CUDART NAMES cudart libcudart.so.13 HINTS "${torch_site}/nvidia/cu13/lib" NO_CACHE)
    find_library(LibTorch_NCCL NAMES nccl libnccl.so.2 HINTS "${torch_site}/nvidia/nccl/lib" NO_CACHE)
    find_path(LibTorch_CUDA_INCLUDE cuda_runtime.h HINTS "${torch_site}/nvidia/cu13/include" NO_CACHE)
    find_path(LibTorch_NCCL_INCLUDE nccl.h HINTS "${torch_site}/nvidia/nccl/include" NO_CACHE)
  endif()
  set(torch_complete ON)
  foreach(library IN LISTS torch_libraries)
    if(NOT EXISTS "${LibTorch_FOLDER}/lib/lib${library}.so")
      set(torch_complete OFF)
      set(LibTorch_NOTE "The LibTorch in ${LibTorch_FOLDER} has no lib${library}.so.")
    endif()
  endforeach()
  if(ELBOW_CUDA)
    foreach(part IN ITEMS LibTorch_CUDART LibTorch_NCCL LibTorch_CUDA_INCLUDE LibTorch_NCCL_INCLUDE)
      if(NOT ${part})
        set(torch_complete OFF)
        set(LibTorch_NOTE "No ${part} beside the LibTorch in ${LibTorch_FOLDER}.")
      endif()
    endforeach()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_FOLDER torch_complete VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  if(NOT LibTorch_VERSION VERSION_EQUAL "2.11.0")
    message(WARNING "LibTorch ${LibTorch_VERSION} in ${LibTorch_FOLDER}: Elbow is tested with 2.11.0 only.")
  endif()
  foreach(library IN LISTS torch_libraries)
    add_library(LibTorch::${library} SHARED IMPORTED)
    set_target_properties(LibTorch::${library} PROPERTIES
      IMPORTED_LOCATION "${LibTorch_FOLDER}/lib/lib${library}.so")
  endforeach()
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    "${LibTorch_FOLDER}/include" "${LibTorch_FOLDER}/include/torch/csrc/api/include")
  target_link_libraries(LibTorch::LibTorch INTERFACE LibTorch::torch_cpu LibTorch::c10 Threads::Threads)
  # libtorch_cpu.so names libraries of NVIDIA's that the loader finds by its run path, but the linker does not.
  target_link_options(LibTorch::LibTorch INTERFACE -Wl,--allow-shlib-undefined)
  # at::parallel_for is a plain loop unless compiled with OpenMP. The run time is LibTorch's own: never a second one.
  file(GLOB torch_gomp "${LibTorch_FOLDER}/lib/libgomp*.so*")
  if(torch_gomp)
    target_compile_options(LibTorch::LibTorch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    target_link_libraries(LibTorch::LibTorch INTERFACE ${torch_gomp})
  endif()
  if(ELBOW_CUDA)
    target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
      "${LibTorch_CUDA_INCLUDE}" "${LibTorch_NCCL_INCLUDE}")
    # Nothing of ours names a symbol of torch_cuda, which registers its kernels when it is loaded.
    target_link_libraries(LibTorch::LibTorch INTERFACE
      -Wl,--push-state,--no-as-needed LibTorch::torch LibTorch::torch_cuda -Wl,--pop-state
      LibTorch::c10_cuda "${LibTorch_CUDART}" "${LibTorch_NCCL}")
  endif()
endif()
