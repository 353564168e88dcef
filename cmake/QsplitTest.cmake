# Helpers for tests. CTest labels are the folder names of tests/: unit golden netns vm fuzz-replay
# bench checks package.
#
#   qsplit_test(NAME n SOURCES a.cc ... [LIBS l ...] [LABEL unit] [TIMEOUT s] [DATA target ...])
#     A GoogleTest program; each TEST becomes a CTest test "n.Suite.Name".
#   qsplit_script_test(NAME n COMMAND prog args ... [LABEL l] [TIMEOUT s] [ENV A=b ...])
#     A test that is a command. Exit status 77 means skipped.
#   qsplit_fuzzer(NAME n SOURCES a.cc ... [LIBS l ...] [CORPUS dir])
#     With QSPLIT_FUZZ a libFuzzer program; otherwise a test, label fuzz-replay, that feeds every
#     file of the corpus (default: corpus/<n> beside the CMakeLists.txt) to the same entry point.
#   qsplit_bench(NAME n SOURCES a.cc ... [LIBS l ...])
#     A Google Benchmark program in build/<preset>/bench; not a test, for it judges nothing.
#
# Programs see QSPLIT_SOURCE_DIR, QSPLIT_BINARY_DIR, QSPLIT_BIN_DIR and QSPLIT_LAYOUT_DIR (string
# literals). Tests of label netns and vm run one at a time within their label: they count what is
# left on the machine.
include(GoogleTest)
set(CMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE PRE_TEST)
add_custom_target(fuzzers COMMENT "All fuzzers")

set(QSPLIT_TEST_LABELS unit golden netns vm fuzz-replay bench checks package)

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

function(_qsplit_test_properties var label timeout)
  list(GET label 0 first)
  if(NOT timeout)
    set(timeout 120)
    if(first MATCHES "netns|vm")
      set(timeout 300)
    endif()
  endif()
  set(properties TIMEOUT ${timeout})
  if(first MATCHES "netns|vm")
    list(APPEND properties RESOURCE_LOCK ${first})
  endif()
  set(${var} "${properties}" PARENT_SCOPE)
endfunction()

function(_qsplit_test_program name)
  target_compile_definitions(${name} PRIVATE
    QSPLIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" QSPLIT_BINARY_DIR="${PROJECT_BINARY_DIR}"
    QSPLIT_BIN_DIR="${PROJECT_BINARY_DIR}/bin" QSPLIT_LAYOUT_DIR="${QSPLIT_LAYOUT_BUILD_DIR}")
endfunction()

function(qsplit_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "" "NAME;TIMEOUT" "SOURCES;LIBS;LABEL;DATA")
  if(NOT QSPLIT_TESTS OR QSPLIT_FUZZ)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_SOURCES)
    message(FATAL_ERROR "qsplit_test: NAME and SOURCES are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  _qsplit_label(label "${T_LABEL}")
  _qsplit_test_properties(properties "${label}" "${T_TIMEOUT}")
  add_executable(${T_NAME} ${T_SOURCES})
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_link_libraries(${T_NAME} PRIVATE ${T_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  _qsplit_test_program(${T_NAME})
  if(T_DATA)
    add_dependencies(${T_NAME} ${T_DATA})
  endif()
  gtest_discover_tests(${T_NAME} TEST_PREFIX "${T_NAME}." WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
    DISCOVERY_TIMEOUT 60 PROPERTIES LABELS "${label}" ${properties})
endfunction()

function(qsplit_script_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "" "NAME;TIMEOUT" "COMMAND;LABEL;ENV")
  if(NOT QSPLIT_TESTS OR QSPLIT_FUZZ)
    return()
  endif()
  if(T_UNPARSED_ARGUMENTS OR NOT T_NAME OR NOT T_COMMAND)
    message(FATAL_ERROR "qsplit_script_test: NAME and COMMAND are needed; not understood: ${T_UNPARSED_ARGUMENTS}")
  endif()
  _qsplit_label(label "${T_LABEL}")
  _qsplit_test_properties(properties "${label}" "${T_TIMEOUT}")
  add_test(NAME ${T_NAME} COMMAND ${T_COMMAND} WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
  set_tests_properties(${T_NAME} PROPERTIES LABELS "${label}" SKIP_RETURN_CODE 77 ${properties})
  set_property(TEST ${T_NAME} PROPERTY ENVIRONMENT
    "QSPLIT_SOURCE_DIR=${PROJECT_SOURCE_DIR}" "QSPLIT_BINARY_DIR=${PROJECT_BINARY_DIR}"
    "QSPLIT_BIN_DIR=${PROJECT_BINARY_DIR}/bin" "QSPLIT_LAYOUT_DIR=${QSPLIT_LAYOUT_BUILD_DIR}" ${T_ENV})
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
    set_tests_properties(${T_NAME}.Replay PROPERTIES LABELS fuzz-replay TIMEOUT 120)
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
