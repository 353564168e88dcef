# cmake --install: programs, compiled layouts, the daemon's unit, and the client library with the CMake
# package `qsplit`. It is all here, so that a room need not know how it is installed; rooms add only what
# nobody else knows of (completions, manual pages, a sample configuration).
include(CMakePackageConfigHelpers)
set(cmakedir "${CMAKE_INSTALL_LIBDIR}/cmake/qsplit")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/qsplitConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/qsplitConfig.cmake" INSTALL_DESTINATION "${cmakedir}")
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/qsplitConfigVersion.cmake"
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
if(TARGET qsplit)
  # The library, and, for it is static, the libraries of other rooms that it is linked with.
  set(libraries qsplit)
  foreach(library qsplit_grpc qsplit_proto qsplit_dataplane qsplit_layout)
    if(TARGET ${library})
      list(APPEND libraries ${library})
    endif()
  endforeach()
  install(TARGETS ${libraries} EXPORT qsplitTargets
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
          INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  # Public headers, and the generated ones of the contract beside them.
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/client-lib/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
          FILES_MATCHING PATTERN "*.h")
  install(DIRECTORY "${PROJECT_BINARY_DIR}/proto/gen/qsplit" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
          FILES_MATCHING PATTERN "*.pb.h")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/proto/qsplit" DESTINATION "${CMAKE_INSTALL_DATADIR}/qsplit/proto"
          FILES_MATCHING PATTERN "*.proto")
  install(EXPORT qsplitTargets NAMESPACE qsplit:: DESTINATION "${cmakedir}")
  install(FILES "${PROJECT_BINARY_DIR}/qsplitConfig.cmake" "${PROJECT_BINARY_DIR}/qsplitConfigVersion.cmake"
          DESTINATION "${cmakedir}")
endif()
foreach(program qsplitd qsplit_cli qdlc)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.[18]")
foreach(page IN LISTS pages)
  cmake_path(GET page EXTENSION LAST_ONLY section)
  string(SUBSTRING "${section}" 1 -1 section)
  install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()
if(TARGET qsplit_layouts)
  install(DIRECTORY "${QSPLIT_LAYOUT_BUILD_DIR}/" DESTINATION "${QSPLIT_LAYOUT_INSTALL_DIR}"
          FILES_MATCHING PATTERN "*.layout")
endif()
if(TARGET qsplitd)
  configure_file("${PROJECT_SOURCE_DIR}/daemon/qsplitd.service.in" "${PROJECT_BINARY_DIR}/qsplitd.service" @ONLY)
  set(QSPLIT_SYSTEMD_UNIT_DIR "lib/systemd/system" CACHE STRING "Where systemd units are installed")
  install(FILES "${PROJECT_BINARY_DIR}/qsplitd.service" DESTINATION "${QSPLIT_SYSTEMD_UNIT_DIR}")
  if(EXISTS "${PROJECT_SOURCE_DIR}/daemon/qsplitd.toml")
    install(FILES "${PROJECT_SOURCE_DIR}/daemon/qsplitd.toml" DESTINATION "${CMAKE_INSTALL_SYSCONFDIR}/qsplit")
  endif()
endif()
if(EXISTS "${PROJECT_SOURCE_DIR}/LICENSE")
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()
