// SIGKILLs clients, several of which run at once, each at another instant, and looks each time
// whether anything is left of them.
//
// Call from the main thread.
#ifndef QSPLIT_TESTS_HOSTILE_KILLS_H_
#define QSPLIT_TESTS_HOSTILE_KILLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/system/daemon.h"

namespace qsplit::testing {

struct KillOptions {
  int kills = 200;
  int at_once = 4;       // clients that run at a time
  uint16_t port = 5000;  // of the first; each has one of its own
  // Where all are killed, a number of kKillSteps; absent: behind each step first, and then at
  // random instants.
  std::optional<int> step;
};

struct KillReport {
  uint64_t seed = 0;
  int killed = 0;
  int held = 0;                 // clients that had a lease when they died
  std::vector<double> took_ms;  // from SIGKILL until nothing was left, ascending
  long grown_kb = 0;            // the daemon's memory, over the last two thirds
  // Whatever was not as it must be, a sentence each. It stops at the first.
  std::vector<std::string> problems;

  std::string Text() const;
};

// `daemon` has no clients but those that stay for all of it.
KillReport KillClients(const Daemon& daemon, const KillOptions& options);

// The ports that clients take traffic of.
std::vector<uint16_t> PortsOf(const KillOptions& options);

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_HOSTILE_KILLS_H_
