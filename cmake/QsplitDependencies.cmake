# Everything that qsplit uses and does not write itself: Debian packages, installed by scripts/setup.
# Targets for the rooms:
#   protobuf::libprotobuf gRPC::grpc++ gRPC::grpc++_reflection absl::... spdlog::spdlog fmt::fmt
#   CLI11::CLI11 tomlplusplus::tomlplusplus qsplit_nl OpenSSL::Crypto Threads::Threads
#   qsplit_asmjit GTest::gtest GTest::gmock GTest::gtest_main benchmark::benchmark PkgConfig::UNICORN
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(Protobuf 3.21 MODULE REQUIRED)  # Debian 12 ships no config for it
find_package(absl CONFIG REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(fmt CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(tomlplusplus CONFIG REQUIRED)
if(QSPLIT_TESTS)
  find_package(GTest CONFIG REQUIRED)
  find_package(benchmark CONFIG REQUIRED)
endif()

find_package(CLI11 CONFIG QUIET)
if(NOT TARGET CLI11::CLI11)  # Debian's package may hold the headers alone
  find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
  add_library(CLI11::CLI11 INTERFACE IMPORTED GLOBAL)
  target_include_directories(CLI11::CLI11 INTERFACE "${CLI11_INCLUDE_DIR}")
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBNL REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0 libnl-genl-3.0)
add_library(qsplit_nl INTERFACE)
target_link_libraries(qsplit_nl INTERFACE PkgConfig::LIBNL)
if(QSPLIT_TESTS)
  pkg_check_modules(UNICORN REQUIRED IMPORTED_TARGET unicorn)
endif()

# Debian's package has neither a CMake package nor a pkg-config file.
find_path(ASMJIT_INCLUDE_DIR asmjit/asmjit.h REQUIRED)
find_library(ASMJIT_LIBRARY asmjit REQUIRED)
add_library(qsplit_asmjit INTERFACE)
target_include_directories(qsplit_asmjit SYSTEM INTERFACE "${ASMJIT_INCLUDE_DIR}")
target_compile_definitions(qsplit_asmjit INTERFACE ASMJIT_STATIC)
target_link_libraries(qsplit_asmjit INTERFACE "${ASMJIT_LIBRARY}")
