#include "tests/bench/dataplane/contest.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace qsplit::bench {
namespace {

// The fastest of those that are written by hand, else the first.
const Result& ComparedWith(const std::vector<Result>& results) {
  const auto rank = [](const Result& r) {
    return std::pair(!r.contender.starts_with("by hand"), r.median_ns);
  };
  const Result& best = *std::ranges::min_element(results, {}, rank);
  return rank(best).first ? results.front() : best;
}

}  // namespace

std::vector<Result> Contest(const std::string& name, const std::vector<Contender>& contenders,
                            uint32_t rounds) {
  std::vector<std::vector<double>> times(contenders.size());
  for (uint32_t round = 0; round <= rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const double ns = contenders[i].run();
      if (round > 0) times[i].push_back(ns);  // the first one warms up
    }
  }
  std::vector<Result> results;
  for (size_t i = 0; i < contenders.size(); ++i) {
    std::sort(times[i].begin(), times[i].end());
    const Result r{name, contenders[i].name, times[i][times[i].size() / 2], times[i].front(),
                   times[i].back()};
    results.push_back(r);
  }
  const double compared = ComparedWith(results).median_ns;
  for (Result& r : results) r.ratio = r.median_ns / compared;
  return results;
}

void Print(const std::vector<Result>& results) {
  std::string contest;
  for (const Result& r : results) {
    if (r.contest != contest) {
      std::printf("\n%-34s %12s %20s %8s\n", r.contest.c_str(), "median", "least .. most", "ratio");
      contest = r.contest;
    }
    std::printf("  %-32s %9.2f ns %8.2f .. %6.2f ns %7.2fx\n", r.contender.c_str(), r.median_ns,
                r.least_ns, r.most_ns, r.ratio);
  }
}

}  // namespace qsplit::bench
