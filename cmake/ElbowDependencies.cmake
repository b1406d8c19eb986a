# What others made. Each becomes one target elbow::NAME, so that the rest of the build does not care where it came from.
# Everything is looked for before anything is reported, so that one run of launch/setup mends all of it.

find_package(PkgConfig QUIET)
find_package(Threads REQUIRED)
set(elbow_missing "")

function(elbow_dependency name)
  cmake_parse_arguments(ARG "" "" "LINK;DEFINE" ${ARGN})
  add_library(elbow_${name}_dependency INTERFACE)
  target_link_libraries(elbow_${name}_dependency INTERFACE ${ARG_LINK})
  target_compile_definitions(elbow_${name}_dependency INTERFACE ${ARG_DEFINE})
  add_library(elbow::${name} ALIAS elbow_${name}_dependency)
endfunction()

# A library known by its header and, unless it is header-only, its library file.
macro(elbow_find name header library)
  find_path(ELBOW_${name}_INCLUDE ${header})
  mark_as_advanced(ELBOW_${name}_INCLUDE)
  set(elbow_${name}_found ${ELBOW_${name}_INCLUDE})
  if(NOT "${library}" STREQUAL "")
    find_library(ELBOW_${name}_LIBRARY ${library})
    mark_as_advanced(ELBOW_${name}_LIBRARY)
    if(NOT ELBOW_${name}_LIBRARY)
      set(elbow_${name}_found OFF)
    endif()
  endif()
  if(elbow_${name}_found)
    elbow_dependency(${name} LINK ${ELBOW_${name}_LIBRARY})
    target_include_directories(elbow_${name}_dependency SYSTEM INTERFACE "${ELBOW_${name}_INCLUDE}")
  else()
    list(APPEND elbow_missing ${name})
  endif()
endmacro()

# A library that comes with a CMake package.
macro(elbow_package name package target)
  find_package(${package} CONFIG QUIET)
  if(TARGET ${target})
    elbow_dependency(${name} LINK ${target})
  else()
    list(APPEND elbow_missing ${name})
  endif()
endmacro()

elbow_package(fmt fmt fmt::fmt)
# LibTorch's include folder holds an fmt of its own, newer than the one spdlog was built with. A folder that holds only
# the right one, not marked as a system folder, is searched before it.
if(TARGET fmt::fmt)
  get_target_property(fmt_folder fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
  file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/include/fmt")
  file(CREATE_LINK "${fmt_folder}/fmt" "${PROJECT_BINARY_DIR}/include/fmt/fmt" SYMBOLIC)
  target_include_directories(elbow_fmt_dependency INTERFACE "${PROJECT_BINARY_DIR}/include/fmt")
endif()
elbow_package(spdlog spdlog spdlog::spdlog)
if(TARGET spdlog::spdlog AND TARGET fmt::fmt)
  target_link_libraries(elbow_spdlog_dependency INTERFACE elbow::fmt)
endif()
elbow_package(json nlohmann_json nlohmann_json::nlohmann_json)
elbow_package(cli11 CLI11 CLI11::CLI11)
elbow_find(toml toml++/toml.h "")
elbow_find(random123 Random123/philox.h "")
elbow_find(xxhash xxhash.h xxhash)
elbow_find(spng spng.h spng)
elbow_find(deflate libdeflate.h deflate)
elbow_find(matio matio.h matio)
elbow_find(archive archive.h archive)
elbow_package(prometheus prometheus-cpp prometheus-cpp::pull)
# The web server inside it: its callbacks are spoken to directly.
elbow_package(civetweb civetweb civetweb::civetweb-cpp)

# Only MPI's C interface: its C++ bindings are long gone from the standard and drag in a library of their own.
find_package(MPI QUIET COMPONENTS C)
if(MPI_C_FOUND)
  execute_process(COMMAND "${MPIEXEC_EXECUTABLE}" --version
    OUTPUT_VARIABLE ELBOW_MPI_NAME ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX MATCH "^[^\n]*" ELBOW_MPI_NAME "${ELBOW_MPI_NAME}")
  elbow_dependency(mpi LINK MPI::MPI_C DEFINE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
else()
  list(APPEND elbow_missing MPI)
endif()

find_package(HDF5Serial QUIET)
if(HDF5Serial_FOUND)
  elbow_dependency(hdf5 LINK HDF5Serial::HDF5)
else()
  list(APPEND elbow_missing HDF5)
endif()

find_package(LibTorch QUIET)
if(LibTorch_FOUND)
  elbow_dependency(torch LINK LibTorch::LibTorch)
else()
  list(APPEND elbow_missing LibTorch)
endif()

if(ELBOW_TESTS)
  find_package(GTest CONFIG QUIET)
  if(NOT TARGET GTest::gmock)
    list(APPEND elbow_missing "GoogleTest (with GoogleMock)")
  endif()
endif()

if(elbow_missing)
  list(JOIN elbow_missing ", " elbow_missing)
  set(arguments "")
  if(ELBOW_CUDA)
    string(APPEND arguments " --cuda")
  endif()
  if(ELBOW_TESTS)
    string(APPEND arguments " --tests")
  endif()
  message(FATAL_ERROR
    "Not found: ${elbow_missing}.\n"
    "Run launch/setup${arguments}, which installs what the build needs, and configure again.\n"
    "What you have elsewhere is found with CMAKE_PREFIX_PATH; LIBTORCH_ROOT, HDF5_ROOT and MPI_HOME name one of them."
    " ${HDF5Serial_NOTE} ${LibTorch_NOTE}")
endif()
