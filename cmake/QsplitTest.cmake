# Helpers for tests. CTest labels are the folder names of tests/: unit golden netns vm fuzz-replay
# bench checks package.
#
#   qsplit_test(NAME n SOURCES a.cc ... [LIBS l ...] [LABEL unit] [TIMEOUT s] [DATA target ...])
#     A GoogleTest program; each TEST becomes a CTest test "n.Suite.Name" with a process of its own.
#     WHOLE, and all in builds with a sanitizer, whose processes take long to start: the program is
#     one CTest test "n". LONG: it begins before others, so that it is not alone at the end. APART:
#     its sources use the same names; each is compiled by itself (qsplit_use_unity).
#   qsplit_test_code(target)
#     For a library of tests: compiles it as qsplit_test does its sources.
#   qsplit_script_test(NAME n COMMAND prog args ... [LABEL l] [TIMEOUT s] [ENV A=b ...]
#                      [DEPENDS target ...])
#     A test that is a command. Exit status 77 means skipped.
#   qsplit_fuzzer(NAME n SOURCES a.cc ... [LIBS l ...] [CORPUS dir])
#     With QSPLIT_FUZZ a libFuzzer program; otherwise a test, label fuzz-replay, that feeds every
#     file of the corpus (default: corpus/<n> beside the CMakeLists.txt) to the same entry point.
#   qsplit_bench(NAME n SOURCES a.cc ... [LIBS l ...])
#     A Google Benchmark program in build/<preset>/bench; not a test, for it judges nothing.
#
# Programs see QSPLIT_SOURCE_DIR, QSPLIT_BINARY_DIR, QSPLIT_BIN_DIR and QSPLIT_LAYOUT_DIR (string
# literals); script tests see the same names in the environment. Tests of label netns, and those marked
# SERIAL, run alone.
# LABEL may have a second word, hostile, for what scripts/test also runs in the asan build.
# DATA and DEPENDS name targets to build before (programs, layouts); as does tests_<label>.
include(GoogleTest)
set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
add_custom_target(fuzzers)
# tests_<label> builds what the tests of that label need, hostile those that also bear that label.
set(QSPLIT_TEST_LABELS unit golden netns vm fuzz-replay bench checks package)
foreach(label IN LISTS QSPLIT_TEST_LABELS ITEMS hostile)
  add_custom_target(tests_${label})
endforeach()
set(QSPLIT_SANITIZER_ENV "")
if(QSPLIT_SANITIZE MATCHES "thread")
  # Debian's gRPC, protobuf and abseil are not built with the sanitizer: it does not see their locks, and would
  # take what they guard, down to the count of a status' copies, for races. It is silent of what such a library
  # does by itself; what our code touches it reports as ever.
  list(APPEND QSPLIT_SANITIZER_ENV
    "TSAN_OPTIONS=ignore_noninstrumented_modules=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:history_size=4:second_deadlock_stack=1")
elseif(QSPLIT_SANITIZE)
  list(APPEND QSPLIT_SANITIZER_ENV "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1")
endif()

function(_qsplit_label var label)
  if(NOT label)
    set(label unit)
  endif()
  # A label may be followed by more words: "netns;hostile".
  list(GET label 0 first)
  if(NOT first IN_LIST QSPLIT_TEST_LABELS)
    message(FATAL_ERROR "Test label '${first}' is none of ${QSPLIT_TEST_LABELS}")
  endif()
  set(${var} "${label}" PARENT_SCOPE)
endfunction()

function(_qsplit_test_properties var label timeout serial)
  list(GET label 0 first)
  if(NOT timeout)
    set(timeout 120)
    if(first STREQUAL netns)
      set(timeout 300)
    elseif(first STREQUAL vm)
      set(timeout 1200)  # a guest that hangs is booted once more
    endif()
  endif()
  if(QSPLIT_SANITIZE)
    math(EXPR timeout "${timeout} * 3")
  endif()
  set(properties TIMEOUT ${timeout})
  if(serial OR first STREQUAL netns)
    # They measure times, and count what is left on the machine.
    list(APPEND properties RUN_SERIAL TRUE)
  elseif(first STREQUAL vm)
    # Guests have machines of their own, and wait more than they work: they begin first, beside others.
    list(APPEND properties COST 1000)
  endif()
  set(${var} "${properties}" PARENT_SCOPE)
endfunction()

function(_qsplit_test_program name)
  target_compile_definitions(${name} PRIVATE
    QSPLIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" QSPLIT_BINARY_DIR="${PROJECT_BINARY_DIR}"
    QSPLIT_BIN_DIR="${PROJECT_BINARY_DIR}/bin" QSPLIT_LAYOUT_DIR="${QSPLIT_LAYOUT_BUILD_DIR}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 misreads a std::string made of such a path, for some lengths of it.
    target_compile_options(${name} PRIVATE -Wno-array-bounds)
  endif()
endfunction()

# True if one of the libraries brings gRPC along.
function(_qsplit_has_grpc var)
  set(seen "")
  set(todo ${ARGN})
  while(todo)
    list(POP_FRONT todo library)
    if(NOT TARGET "${library}" OR library IN_LIST seen OR NOT library MATCHES "^qsplit")
      continue()
    endif()
    list(APPEND seen "${library}")
    get_target_property(more "${library}" INTERFACE_LINK_LIBRARIES)
    list(APPEND todo ${more})
  endwhile()
  if(qsplit_grpc IN_LIST seen)
    set(${var} TRUE PARENT_SCOPE)
  else()
    set(${var} FALSE PARENT_SCOPE)
  endif()
endfunction()

# How the sources of tests are compiled. What is tested, and what runs long, is in the libraries.
function(qsplit_test_code target)
  qsplit_compile_fast(${target})
  qsplit_use_unity(${target})
  get_target_property(libraries ${target} LINK_LIBRARIES)
  _qsplit_has_grpc(grpc ${libraries})
  if(grpc)
    qsplit_use_pch(${target} qsplit_grpc_test_pch)
  else()
    qsplit_use_pch(${target} qsplit_test_pch)
  endif()
endfunction()

function(qsplit_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "SERIAL;WHOLE;LONG;APART" "NAME;TIMEOUT" "SOURCES;LIBS;LABEL;DATA")
  if(NOT QSPLIT_TESTS OR QSPLIT_FUZZ)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_SOURCES)
    message(FATAL_ERROR "qsplit_test: NAME and SOURCES are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  _qsplit_label(label "${T_LABEL}")
  if((T_WHOLE OR QSPLIT_SANITIZE) AND NOT T_TIMEOUT)
    set(T_TIMEOUT 300)
  endif()
  _qsplit_test_properties(properties "${label}" "${T_TIMEOUT}" "${T_SERIAL}")
  if(T_LONG)
    list(APPEND properties COST 100)
  endif()
  add_executable(${T_NAME} ${T_SOURCES})
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(${T_NAME} PRIVATE ${T_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  qsplit_test_code(${T_NAME})
  if(T_APART)
    set_target_properties(${T_NAME} PROPERTIES UNITY_BUILD OFF)
  endif()
  _qsplit_test_program(${T_NAME})
  if(T_DATA)
    add_dependencies(${T_NAME} ${T_DATA})
  endif()
  foreach(one IN LISTS label)
    if(TARGET tests_${one})
      add_dependencies(tests_${one} ${T_NAME})
    endif()
  endforeach()
  if(T_WHOLE OR QSPLIT_SANITIZE)
    add_test(NAME ${T_NAME} COMMAND ${T_NAME} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
    set_tests_properties(${T_NAME} PROPERTIES ${properties} LABELS "${label}"
      ENVIRONMENT "${QSPLIT_SANITIZER_ENV}")
    return()
  endif()
  gtest_discover_tests(${T_NAME} TEST_PREFIX "${T_NAME}." WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
    DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
  # Properties that are lists: gtest_discover_tests cannot pass those on.
  set(lists "${CMAKE_CURRENT_BINARY_DIR}/${T_NAME}_lists.cmake")
  file(CONFIGURE OUTPUT "${lists}" @ONLY CONTENT [[
foreach(test IN LISTS @T_NAME@_TESTS)
  set_tests_properties("${test}" PROPERTIES LABELS "@label@" ENVIRONMENT "@QSPLIT_SANITIZER_ENV@")
endforeach()
]])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${lists}")
endfunction()

function(qsplit_script_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "SERIAL" "NAME;TIMEOUT" "COMMAND;LABEL;ENV;DEPENDS")
  if(NOT QSPLIT_TESTS OR QSPLIT_FUZZ)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_COMMAND)
    message(FATAL_ERROR "qsplit_script_test: NAME and COMMAND are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  _qsplit_label(label "${T_LABEL}")
  _qsplit_test_properties(properties "${label}" "${T_TIMEOUT}" "${T_SERIAL}")
  add_test(NAME ${T_NAME} COMMAND ${T_COMMAND} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${label}" SKIP_RETURN_CODE 77 ${properties})
  set_property(TEST ${T_NAME} PROPERTY ENVIRONMENT
    "QSPLIT_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "QSPLIT_BINARY_DIR=${PROJECT_BINARY_DIR}"
    "QSPLIT_BIN_DIR=${PROJECT_BINARY_DIR}/bin" "QSPLIT_LAYOUT_DIR=${QSPLIT_LAYOUT_BUILD_DIR}" ${QSPLIT_SANITIZER_ENV} ${T_ENV})
  if(T_DEPENDS)
    foreach(one IN LISTS label)
      if(TARGET tests_${one})
        add_dependencies(tests_${one} ${T_DEPENDS})
      endif()
    endforeach()
  endif()
endfunction()

function(qsplit_fuzzer)
  cmake_parse_arguments(PARSE_ARGV 0 T "" "NAME;CORPUS" "SOURCES;LIBS")
  if(NOT QSPLIT_TESTS)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_SOURCES)
    message(FATAL_ERROR "qsplit_fuzzer: NAME and SOURCES are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT T_CORPUS)
    set(T_CORPUS "corpus/${T_NAME}")
  endif()
  cmake_path(ABSOLUTE_PATH T_CORPUS BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  add_executable(${T_NAME} ${T_SOURCES})
  target_link_libraries(${T_NAME} PRIVATE ${T_LIBS})
  _qsplit_has_grpc(grpc ${T_LIBS})
  if(grpc)
    qsplit_use_pch(${T_NAME} qsplit_grpc_pch)
  else()
    qsplit_use_pch(${T_NAME} qsplit_pch)
  endif()
  _qsplit_test_program(${T_NAME})
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  if(QSPLIT_FUZZ)
    target_link_options(${T_NAME} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${T_NAME})
    # scripts/test --fuzz reads this to find each fuzzer's corpus.
    file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/fuzz/${T_NAME}.corpus" CONTENT "${T_CORPUS}\n")
  else()
    target_sources(${T_NAME} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc")
    add_test(NAME ${T_NAME}.Replay COMMAND ${T_NAME} "${T_CORPUS}")
    set_tests_properties(${T_NAME}.Replay PROPERTIES LABELS fuzz-replay TIMEOUT 300)
    set_property(TEST ${T_NAME}.Replay PROPERTY ENVIRONMENT ${QSPLIT_SANITIZER_ENV})
    add_dependencies(tests_fuzz-replay ${T_NAME})
  endif()
endfunction()

function(qsplit_bench)
  cmake_parse_arguments(PARSE_ARGV 0 T "" "NAME" "SOURCES;LIBS")
  if(NOT QSPLIT_TESTS OR QSPLIT_FUZZ)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_SOURCES)
    message(FATAL_ERROR "qsplit_bench: NAME and SOURCES are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${T_NAME} ${T_SOURCES})
  target_link_libraries(${T_NAME} PRIVATE ${T_LIBS} benchmark::benchmark)
  _qsplit_test_program(${T_NAME})
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endfunction()
