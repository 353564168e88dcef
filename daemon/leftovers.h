// What a daemon that crashed has left behind: told, and undone, without serving.
//
// Main thread.
#ifndef QSPLIT_DAEMON_LEFTOVERS_H_
#define QSPLIT_DAEMON_LEFTOVERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/journal/journal.h"

namespace qsplit::daemon {

struct Leftovers {
  std::vector<std::string> undone;  // as the journal had them
  std::vector<std::string> left;
  std::vector<absl::Status> why;  // they are left
};

// Undoes what kernel netdevs have left, and with `functions` PCI functions as well.
Leftovers UndoLeftovers(journal::Journal& journal, bool functions);

// What stands in a journal, in a line for each record, without touching it; empty: nothing, or
// there is none. DATA_LOSS: it is damaged.
absl::StatusOr<std::vector<std::string>> ReadLeftovers(const std::string& runtime_dir);

// Undoes all, says so on standard output, and returns the process's exit status: 0 nothing is left.
// FAILED_PRECONDITION: a daemon runs.
absl::StatusOr<int> Clean(const std::string& runtime_dir);

}  // namespace qsplit::daemon

#endif  // QSPLIT_DAEMON_LEFTOVERS_H_
