# elbow_library(NAME FOLDER [SOURCES a.cpp ...] [PUBLIC libs ...] [PRIVATE libs ...])
#
# The static library elbow_NAME of one folder of the tree. Headers are included by their path from the root
# ("base/error.h"), but a target sees only the folders of the libraries it links: each library offers an include
# folder in the build tree that holds a link to its own folder and nothing else. So an include against the
# direction of dependencies does not compile. With no sources yet, it is a header-only library.
function(elbow_library name folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target elbow_${name})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    target_link_libraries(${target} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
    target_include_directories(${target} PUBLIC "${PROJECT_BINARY_DIR}/include/${target}")
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARG_PUBLIC} ${ARG_PRIVATE})
    target_include_directories(${target} INTERFACE "${PROJECT_BINARY_DIR}/include/${target}")
  endif()
  elbow_expose_folder(${target} ${folder})
  elbow_use_torch_if_linked(${target} ${ARG_PUBLIC} ${ARG_PRIVATE})
endfunction()

# build/include/TARGET/FOLDER -> the folder itself.
function(elbow_expose_folder target folder)
  set(link "${PROJECT_BINARY_DIR}/include/${target}/${folder}")
  get_filename_component(parent "${link}" DIRECTORY)
  file(MAKE_DIRECTORY "${parent}")
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${folder}" "${link}" SYMBOLIC)
endfunction()

# A target that links elbow::torch, itself or through another of our libraries, shares one precompiled header, so that
# LibTorch is read once for all. It holds tensors, their functions, torch::nn::Module, JSON and fmt; sources include
# what they use all the same. Leave <torch/torch.h> alone: it adds ten seconds to each source.
function(elbow_use_torch_if_linked target)
  set(torch OFF)
  foreach(lib IN LISTS ARGN)
    if(lib STREQUAL "elbow::torch")
      set(torch ON)
    elseif(TARGET ${lib})
      get_target_property(inherited ${lib} ELBOW_TORCH)
      if(inherited)
        set(torch ON)
      endif()
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES ELBOW_TORCH ${torch})
  get_target_property(type ${target} TYPE)
  if(torch AND NOT type STREQUAL "INTERFACE_LIBRARY")
    target_precompile_headers(${target} REUSE_FROM elbow_torch_header)
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endfunction()

# The owner of the precompiled header.
set(torch_source "${PROJECT_BINARY_DIR}/torch_header.cpp")
if(NOT EXISTS "${torch_source}")
  file(WRITE "${torch_source}" "// Compiled with LibTorch's headers, once for all.\n")
endif()
add_library(elbow_torch_header STATIC EXCLUDE_FROM_ALL "${torch_source}")
target_link_libraries(elbow_torch_header PRIVATE elbow::torch elbow::fmt elbow::json)
target_precompile_headers(elbow_torch_header PRIVATE
  <torch/types.h> <torch/nn/module.h> <fmt/format.h> <nlohmann/json.hpp>)
target_compile_options(elbow_torch_header PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
