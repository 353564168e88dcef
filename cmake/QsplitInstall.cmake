# cmake --install: the CMake package `qsplit`. The rooms install what is theirs (the client library
# exports its targets to the set `qsplitTargets`); this file installs what binds them.
include(CMakePackageConfigHelpers)
set(cmakedir "${CMAKE_INSTALL_LIBDIR}/cmake/qsplit")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/qsplitConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/qsplitConfig.cmake" INSTALL_DESTINATION "${cmakedir}")
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/qsplitConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
if(TARGET qsplit)
  install(FILES "${PROJECT_BINARY_DIR}/qsplitConfig.cmake" "${PROJECT_BINARY_DIR}/qsplitConfigVersion.cmake"
          DESTINATION "${cmakedir}")
  install(EXPORT qsplitTargets NAMESPACE qsplit:: DESTINATION "${cmakedir}")
endif()
if(TARGET qsplitd)
  configure_file("${PROJECT_SOURCE_DIR}/daemon/qsplitd.service.in" "${PROJECT_BINARY_DIR}/qsplitd.service" @ONLY)
  set(QSPLIT_SYSTEMD_UNIT_DIR "lib/systemd/system" CACHE STRING "Where systemd units are installed")
  install(FILES "${PROJECT_BINARY_DIR}/qsplitd.service" DESTINATION "${QSPLIT_SYSTEMD_UNIT_DIR}")
endif()
if(EXISTS "${PROJECT_SOURCE_DIR}/LICENSE")
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()
