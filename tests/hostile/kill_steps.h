// The steps of a client's life, in order: it can be told to stop dead behind any of them.
#ifndef QSPLIT_TESTS_HOSTILE_KILL_STEPS_H_
#define QSPLIT_TESTS_HOSTILE_KILL_STEPS_H_

#include <array>

namespace qsplit::testing {

inline constexpr std::array kKillSteps = {
    // By hand, one call at a time.
    "nothing",
    "socket connected",
    "hello said",
    "second descriptor put",
    "region registered",
    "lease acquired",
    "grant fetched",
    "grant mapped",
    "rule added",
    "rule removed",
    "lease released",
    "region unregistered",
    "session closed",
    // By the library, with traffic.
    "library: session open",
    "library: lease ready",
    "library: rule added",
    "library: traffic runs",
    "library: lease released",
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_HOSTILE_KILL_STEPS_H_
