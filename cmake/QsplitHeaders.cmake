# `cmake --build --preset release --target header_selfcheck`: every header compiles alone.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
     descriptor-lang/*.h dataplane/*.h daemon/*.h client-lib/*.h cli/*.h)
set(units "")
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" id)
  set(unit "${PROJECT_BINARY_DIR}/header_selfcheck/${id}.cc")
  # Twice, so that a missing include guard shows as well.
  file(CONFIGURE OUTPUT "${unit}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  list(APPEND units "${unit}")
endforeach()
if(units AND NOT QSPLIT_FUZZ)
  add_library(header_selfcheck OBJECT EXCLUDE_FROM_ALL ${units})
  target_compile_options(header_selfcheck PRIVATE -O0 -g0 -U_FORTIFY_SOURCE)
  if(QSPLIT_CCACHE)
    # They are nothing but includes: ccache takes the compiler's list of those instead of preprocessing first.
    set(launcher ${CMAKE_CXX_COMPILER_LAUNCHER})
    list(INSERT launcher 3 CCACHE_DEPEND=1)
    set_target_properties(header_selfcheck PROPERTIES CXX_COMPILER_LAUNCHER "${launcher}")
  endif()
  target_include_directories(header_selfcheck PRIVATE
    "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/client-lib/include" "${PROJECT_BINARY_DIR}/client-lib/include"
    $<TARGET_PROPERTY:qsplit_proto,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(header_selfcheck PRIVATE qsplit_nl CLI11::CLI11 spdlog::spdlog
    tomlplusplus::tomlplusplus)
  # Generated headers first.
  add_dependencies(header_selfcheck qsplit_proto qsplit_grpc)
endif()
