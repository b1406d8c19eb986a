# What a person may choose, and the flags all of our own code is compiled with.

option(ELBOW_TESTS "Build the tests" OFF)
option(ELBOW_CUDA "Build for NVIDIA GPUs, with NCCL (needs launch/setup --cuda)" OFF)
set(ELBOW_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")
set(ELBOW_ARCH "" CACHE STRING "Processor to compile for (-march=), for example x86-64-v3; empty runs anywhere")
set(LIBTORCH_ROOT "" CACHE PATH "A LibTorch elsewhere: the folder that holds torch/include or include/torch")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug or Release" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# No -fPIC or -fPIE of our own: libraries and programs then share one precompiled header.

# GCC 12 warns of overlap and overflow in plain std::string code (its bugs 105651 and 105762).
add_compile_options(-Wall -Wextra "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-stringop-overflow>")
if(ELBOW_ARCH)
  add_compile_options(-march=${ELBOW_ARCH})
endif()

if(ELBOW_SANITIZE)
  # vptr compares type information that LibTorch keeps hidden, and reports its classes as errors.
  set(flags -fsanitize=${ELBOW_SANITIZE} -fno-omit-frame-pointer)
  if(ELBOW_SANITIZE MATCHES "undefined")
    list(APPEND flags -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  endif()
  # GCC's manual says that sanitizers bring false warnings; it gives this one within the standard library.
  add_compile_options(${flags} $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(${flags})
endif()

# ccache and GCC's precompiled headers agree once ccache may trust them: pch_defines and time_macros, and
# -fpch-preprocess (see ElbowLibrary). A launcher given by hand is left alone.
find_program(ELBOW_CCACHE ccache)
if(ELBOW_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${ELBOW_CCACHE})
endif()

# A source that includes LibTorch takes a gigabyte to compile: no more of them at once than fit into memory.
cmake_host_system_information(RESULT memory QUERY TOTAL_PHYSICAL_MEMORY)
math(EXPR jobs "${memory} / 1500 + 1")
set_property(GLOBAL APPEND PROPERTY JOB_POOLS compile=${jobs})
set(CMAKE_JOB_POOL_COMPILE compile)
