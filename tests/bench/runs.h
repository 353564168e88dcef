// What several runs of a measurement say together.
#ifndef QSPLIT_TESTS_BENCH_RUNS_H_
#define QSPLIT_TESTS_BENCH_RUNS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace qsplit::bench {

// Of one unit. Neither figure is there without a run.
struct Runs {
  std::vector<double> values;

  double Median() const { return At(0.5); }
  // Half of what lies between the quartiles.
  double SpreadPercent() const { return 50 * (At(0.75) - At(0.25)) / Median(); }
  double Least() const { return At(0); }
  double Most() const { return At(1); }
  // Run by run, of two that took turns.
  Runs Over(const Runs& other) const {
    Runs ratios;
    for (size_t i = 0; i < std::min(values.size(), other.values.size()); ++i) {
      ratios.values.push_back(values[i] / other.values[i]);
    }
    return ratios;
  }

 private:
  double At(double share) const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(std::lround(share * static_cast<double>(sorted.size() - 1)))];
  }
};

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_RUNS_H_
