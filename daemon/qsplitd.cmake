# The daemon's wiring, as a library so that tests can reach it, and the program.
add_library(qsplit_wiring STATIC layout_files.cc options.cc policy_of_config.cc)
target_include_directories(qsplit_wiring PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_definitions(qsplit_wiring PRIVATE QSPLIT_VERSION="${PROJECT_VERSION}")
target_link_libraries(qsplit_wiring
  PUBLIC qsplit_config qsplit_daemon_core qsplit_layout
  PRIVATE CLI11::CLI11 absl::strings)
qsplit_use_pch(qsplit_wiring qsplit_pch)

if(TARGET qsplit_softnic)
  add_executable(qsplitd devices.cc leftovers.cc main.cc)
  target_compile_definitions(qsplitd PRIVATE QSPLIT_VERSION="${PROJECT_VERSION}")
  target_link_libraries(qsplitd PRIVATE qsplit_wiring qsplit_ingress qsplit_softnic qsplit_vfio
    qsplit_af_xdp
    qsplit_log
    qsplit_linux absl::strings absl::time)
  qsplit_use_pch(qsplitd qsplit_pch)
endif()
