// What the journal knows of PCI functions: how each was before it was taken, and which client has
// one in its hands.
//
// Plain values and their form as fields of records; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_JOURNAL_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_JOURNAL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/journal/text.h"
#include "daemon/linux/pci_address.h"
#include "daemon/linux/pci_driver.h"
#include "daemon/linux/vfio_facts.h"

namespace qsplit::vfio {

// Record "pci-driver": a function that was taken, as it was, and the secret that its VFs open with
// since then, for their clients outlive a daemon.
struct FormerState {
  static constexpr char kKind[] = "pci-driver";

  linux_sys::PciAddress function;
  linux_sys::FormerDriver driver;
  uint32_t vfs = 0;
  bool vfs_probed = true;
  std::vector<std::string> netdevs;  // the configuration may name it by one of these
  std::optional<linux_sys::VfToken> vf_token;

  journal::Fields ToFields() const;
};

// Record "vfio-client": a process that was given a function's device fd.
struct ClientHold {
  static constexpr char kKind[] = "vfio-client";

  linux_sys::PciAddress function;
  uint64_t lease = 0;
  uint32_t pid = 0;
  uint64_t start_ticks = 0;  // linux/process_identity.h

  journal::Fields ToFields() const;
};

// DATA_LOSS: not such a record, or a field of it is missing or does not read.
absl::StatusOr<FormerState> FormerStateOf(const journal::Record& record);
absl::StatusOr<ClientHold> ClientHoldOf(const journal::Record& record);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_JOURNAL_H_
