// What benchmarks with rows of scripts/bench are told: [--quick] [--rows] [NAME].
#ifndef QSPLIT_TESTS_BENCH_COMMAND_LINE_H_
#define QSPLIT_TESTS_BENCH_COMMAND_LINE_H_

#include <cstddef>
#include <span>
#include <string_view>

namespace qsplit::bench {

struct CommandLine {
  bool quick = false;
  bool rows = false;
  std::string_view only;  // empty: all

  CommandLine(int argc, char** argv) {
    for (const std::string_view arg : std::span(argv, static_cast<size_t>(argc)).subspan(1)) {
      if (arg == "--quick") {
        quick = true;
      } else if (arg == "--rows") {
        rows = true;
      } else {
        only = arg;
      }
    }
  }
  bool Wants(std::string_view name) const { return only.empty() || only == name; }
  // How often each measurement is made.
  int Runs() const { return quick ? 3 : 9; }
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_COMMAND_LINE_H_
