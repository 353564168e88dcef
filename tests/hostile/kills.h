// SIGKILLs clients, several of which run at once, each at another instant, and looks each time
// whether anything is left of them.
//
// Call from the test's main thread; reports through GoogleTest.
#ifndef QSPLIT_TESTS_HOSTILE_KILLS_H_
#define QSPLIT_TESTS_HOSTILE_KILLS_H_

#include <cstdint>
#include <vector>

#include "tests/support/system/daemon.h"

namespace qsplit::testing {

struct KillOptions {
  int kills = 200;       // those behind each step first, the rest at random instants
  int at_once = 4;       // clients that run at a time
  uint16_t port = 5000;  // of the first; each has one of its own
};

// `daemon` has no clients but those that stay for all of it.
void KillClients(const Daemon& daemon, const KillOptions& options);

// The ports that clients take traffic of.
std::vector<uint16_t> PortsOf(const KillOptions& options);

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_HOSTILE_KILLS_H_
