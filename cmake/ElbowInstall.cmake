# cmake --install BUILD --prefix X: a tree that may be moved. bin/elbow looks for LibTorch in ../lib, and LibTorch's
# libraries look for each other in the folder they lie in. MPI, HDF5 and the small libraries stay those of the system.
include(GNUInstallDirs)
if(NOT TARGET elbow)
  return()
endif()

set(run_path "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
# An MPI or HDF5 from an unusual place is not found by the loader unless told.
foreach(library IN LISTS MPI_C_LIBRARIES ITEMS "${HDF5Serial_LIBRARY}")
  get_filename_component(folder "${library}" DIRECTORY)
  get_filename_component(real "${library}" REALPATH)
  get_filename_component(real_folder "${real}" DIRECTORY)
  if(IS_ABSOLUTE "${folder}" AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES
      AND NOT real_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND run_path "${folder}")
  endif()
endforeach()
list(REMOVE_DUPLICATES run_path)
set_target_properties(elbow PROPERTIES INSTALL_RPATH "${run_path}")

install(TARGETS elbow RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(library IN LISTS torch_libraries)
  install(FILES "${LibTorch_FOLDER}/lib/lib${library}.so" DESTINATION ${CMAKE_INSTALL_LIBDIR})
endforeach()
install(FILES ${LibTorch_RUNTIME_LIBRARIES} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY "${PROJECT_SOURCE_DIR}/launch/examples" "${PROJECT_SOURCE_DIR}/launch/slurm"
  DESTINATION ${CMAKE_INSTALL_DATADIR}/elbow USE_SOURCE_PERMISSIONS)
install(PROGRAMS "${PROJECT_SOURCE_DIR}/launch/supervise" DESTINATION ${CMAKE_INSTALL_DATADIR}/elbow)
install(FILES "${PROJECT_SOURCE_DIR}/launch/restarts.sh" DESTINATION ${CMAKE_INSTALL_DATADIR}/elbow)
foreach(document IN ITEMS README.md LICENSE NOTICE THIRD-PARTY.md)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${document}")
    install(FILES "${PROJECT_SOURCE_DIR}/${document}" DESTINATION ${CMAKE_INSTALL_DATADIR}/elbow)
  endif()
endforeach()
