// Runs contenders against each other in one process: round by round, each in turn, so that what
// disturbs the machine disturbs all of them. Medians count. scripts/bench puts those of several
// processes together (readers.py), for where code and data stand is the same all through one.
#ifndef QSPLIT_TESTS_BENCH_DATAPLANE_CONTEST_H_
#define QSPLIT_TESTS_BENCH_DATAPLANE_CONTEST_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace qsplit::bench {

struct Contender {
  std::string name;
  // Does some work; nanoseconds for each packet.
  std::function<double()> run;
};

struct Result {
  std::string contest;
  std::string contender;
  double median_ns = 0;
  double least_ns = 0;
  double most_ns = 0;
  double ratio = 0;  // of the median to that of the one that is compared with
};

// All are compared with the fastest of those whose name begins with "by hand"; where none does,
// with the first. rounds: at least 7.
std::vector<Result> Contest(const std::string& name, const std::vector<Contender>& contenders,
                            uint32_t rounds);
void Print(const std::vector<Result>& results);

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_DATAPLANE_CONTEST_H_
