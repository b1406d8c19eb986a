# The serial flavour of the HDF5 C library: target HDF5Serial::HDF5, HDF5Serial_VERSION, HDF5Serial_LIBRARY.
#
# CMake's own FindHDF5 and `pkg-config hdf5` take the MPI flavour where both are installed, and that one is not safe
# to use from several threads. Places, in this order: HDF5_ROOT and what environment modules set; CMAKE_PREFIX_PATH;
# Debian's serial flavour; the usual folders.
set(hdf5_places "")
foreach(variable IN ITEMS HDF5_ROOT HDF5_DIR HDF5_HOME EBROOTHDF5)
  if(DEFINED ${variable} AND NOT "${${variable}}" STREQUAL "")
    list(APPEND hdf5_places "${${variable}}")
  endif()
  if(DEFINED ENV{${variable}})
    list(APPEND hdf5_places "$ENV{${variable}}")
  endif()
endforeach()
list(APPEND hdf5_places ${CMAKE_PREFIX_PATH})
if(DEFINED ENV{CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" hdf5_prefixes "$ENV{CMAKE_PREFIX_PATH}")
  list(APPEND hdf5_places ${hdf5_prefixes})
endif()

# A named place first, and both parts from the same one.
find_path(HDF5Serial_INCLUDE hdf5.h PATHS ${hdf5_places} NO_DEFAULT_PATH
  PATH_SUFFIXES include/hdf5/serial include)
if(HDF5Serial_INCLUDE)
  string(REGEX REPLACE "/include(/hdf5/serial)?$" "" hdf5_prefix "${HDF5Serial_INCLUDE}")
  find_library(HDF5Serial_LIBRARY NAMES hdf5_serial hdf5 PATHS "${hdf5_prefix}" NO_DEFAULT_PATH
    PATH_SUFFIXES lib lib64 lib/${CMAKE_LIBRARY_ARCHITECTURE} lib/${CMAKE_LIBRARY_ARCHITECTURE}/hdf5/serial)
endif()
if(NOT HDF5Serial_INCLUDE OR NOT HDF5Serial_LIBRARY)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_HDF5 QUIET hdf5-serial)
  endif()
  string(REPLACE ":" ";" hdf5_include_places "$ENV{CPATH}")
  string(REPLACE ":" ";" hdf5_library_places "$ENV{LIBRARY_PATH}")
  find_path(HDF5Serial_INCLUDE hdf5.h HINTS ${PC_HDF5_INCLUDE_DIRS} ${hdf5_include_places}
    PATH_SUFFIXES hdf5/serial)
  find_library(HDF5Serial_LIBRARY NAMES hdf5_serial hdf5 HINTS ${PC_HDF5_LIBRARY_DIRS} ${hdf5_library_places})
endif()
mark_as_advanced(HDF5Serial_INCLUDE HDF5Serial_LIBRARY)

set(HDF5Serial_NOTE "")
set(hdf5_serial OFF)
if(HDF5Serial_INCLUDE)
  file(GLOB hdf5_settings "${HDF5Serial_INCLUDE}/H5pubconf*.h")
  set(hdf5_serial ON)
  foreach(file IN LISTS hdf5_settings)
    file(STRINGS "${file}" hdf5_parallel REGEX "^#define H5_HAVE_PARALLEL 1")
    if(hdf5_parallel)
      set(hdf5_serial OFF)
      set(HDF5Serial_NOTE "The HDF5 in ${HDF5Serial_INCLUDE} is the MPI flavour; the serial one is needed.")
    endif()
  endforeach()
  file(STRINGS "${HDF5Serial_INCLUDE}/H5public.h" hdf5_version REGEX "^#define H5_VERS_INFO")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" HDF5Serial_VERSION "${hdf5_version}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(HDF5Serial
  REQUIRED_VARS HDF5Serial_LIBRARY HDF5Serial_INCLUDE hdf5_serial VERSION_VAR HDF5Serial_VERSION)

if(HDF5Serial_FOUND AND NOT TARGET HDF5Serial::HDF5)
  add_library(HDF5Serial::HDF5 UNKNOWN IMPORTED)
  set_target_properties(HDF5Serial::HDF5 PROPERTIES
    IMPORTED_LOCATION "${HDF5Serial_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${HDF5Serial_INCLUDE}")
endif()
