# base/version.h, in the build tree: the version, and the git commit as it is when one builds (not when one configures).
# Only a changed commit touches the header, so a build with nothing new compiles nothing.

set(ELBOW_VERSION_FOLDER "${PROJECT_BINARY_DIR}/include/version")
set(ELBOW_VERSION_HEADER "${ELBOW_VERSION_FOLDER}/base/version.h")
set(elbow_write_version
  ${CMAKE_COMMAND} -D VERSION=${PROJECT_VERSION} -D SOURCE=${PROJECT_SOURCE_DIR} -D OUTPUT=${ELBOW_VERSION_HEADER}
  -P "${PROJECT_SOURCE_DIR}/cmake/write_version.cmake")
execute_process(COMMAND ${elbow_write_version} COMMAND_ERROR_IS_FATAL ANY)
add_custom_target(elbow_version COMMAND ${elbow_write_version} BYPRODUCTS "${ELBOW_VERSION_HEADER}"
  COMMENT "" VERBATIM)
