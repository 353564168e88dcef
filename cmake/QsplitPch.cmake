# Precompiled headers: the slow headers that many sources include, read once.
#
#   qsplit_add_pch(name LIBS l ... HEADERS <h> ...)   a library that has them
#   qsplit_use_pch(target name)                       the target's sources begin with them
#
# proto/ makes qsplit_pch (protobuf, abseil, layouts) and qsplit_grpc_pch; tests get the like with
# GoogleTest by themselves. Sources include what they use all the same: clang's builds have no
# precompiled headers, and scripts/checks/headers compiles without them.

# g++'s -fpch-preprocess lets ccache see which of them a source was compiled with.
function(qsplit_add_pch name)
  cmake_parse_arguments(PARSE_ARGV 1 P "" "" "LIBS;HEADERS")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    return()
  endif()
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/${name}.cc")
  file(CONFIGURE OUTPUT "${unit}" CONTENT "// Something to compile beside the headers.\n")
  add_library(${name} STATIC EXCLUDE_FROM_ALL "${unit}")
  target_link_libraries(${name} PUBLIC ${P_LIBS})
  target_precompile_headers(${name} PRIVATE ${P_HEADERS})
  target_compile_options(${name} PRIVATE -fpch-preprocess)
endfunction()

# Does nothing where the compiler has none, or where the target has headers of its own already.
function(qsplit_use_pch target name)
  get_target_property(other ${target} PRECOMPILE_HEADERS_REUSE_FROM)
  if(TARGET ${name} AND NOT other)
    target_precompile_headers(${target} REUSE_FROM ${name})
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  endif()
endfunction()
