# Flags for every target: the language, warnings, sanitizers, ccache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or Sanitize" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG -D_FORTIFY_SOURCE=2 -fstack-protector-strong")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g -D_GLIBCXX_ASSERTIONS")
# -g1: line numbers for the sanitizers' reports without the weight of full debug information.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS")

# The same code model for libraries and programs lets them share one precompiled header, and lets a
# static library go into a shared one. -fno-semantic-interposition keeps its calls inlinable.
add_compile_options(-fPIC -fno-semantic-interposition)
# Paths relative to the root in messages, assertions and debug information: builds in different
# folders give the same objects, and ccache can share them.
add_compile_options("-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
                    -Woverloaded-virtual -Wimplicit-fallthrough -Wvla
                    # Designated initialisers leave out members on purpose.
                    -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False reports of g++ 12 on std::string's operator+ at -O2.
  add_compile_options(-Wno-restrict)
endif()
if(QSPLIT_WERROR)
  add_compile_options(-Werror)
endif()

if(QSPLIT_SANITIZE)
  # No check of vptr: to look at an object of gRPC's it opens a pipe, and reports an error where a test has
  # used up the descriptors.
  add_compile_options(-fsanitize=${QSPLIT_SANITIZE} -fno-sanitize-recover=all)
  if(QSPLIT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=vptr)
  endif()
  add_link_options(-fsanitize=${QSPLIT_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The instrumented code hides initialisations from the optimiser's warnings. TSan does not model
    # fences; g++ says so for each one.
    add_compile_options(-Wno-maybe-uninitialized -Wno-error=tsan)
  endif()
endif()
if(QSPLIT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "QSPLIT_FUZZ needs clang: use `cmake --preset fuzz`.")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# qsplit_use_unity(target): with a sanitizer most of the time to compile goes into what sources include. This
# target's are compiled eight at a time then, which halves it; the other builds show that each compiles alone.
# Names in unnamed namespaces must differ within such a target.
option(QSPLIT_UNITY "With a sanitizer, compile several sources of a target at a time" ON)
function(qsplit_use_unity target)
  if(QSPLIT_SANITIZE AND QSPLIT_UNITY AND NOT QSPLIT_FUZZ)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# qsplit_compile_fast(target): with a sanitizer unoptimised, in half of the time; for what does not run long.
function(qsplit_compile_fast target)
  if(QSPLIT_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

include_directories("${PROJECT_SOURCE_DIR}")

find_program(QSPLIT_CCACHE ccache)
mark_as_advanced(QSPLIT_CCACHE)
if(QSPLIT_CCACHE)
  # The sloppiness is what ccache's manual asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      "${QSPLIT_CCACHE}")
endif()
