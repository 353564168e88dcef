// How a function that was taken becomes again what it was. Shared by giving back and by clearing up
// after a crash (ownership.h). One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_UNDO_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_UNDO_H_

#include "absl/status/status.h"
#include "daemon/backend/vfio/ownership.h"

namespace qsplit::vfio {

// OK: nobody has one of its VFs open. Otherwise as CheckNotHeld: turning them off would wait for
// the holder, without end.
absl::Status CheckVfsNotHeld(const linux_sys::PciFacts& pf, const journal::Journal& journal,
                             const HostAccess& host);

// Driver, driver_override and VFs as they were. OK as well where the function is gone, or where an
// administrator has given it to another driver meanwhile: that one keeps it. Errors as
// CheckNotHeld, RestoreDriver and SetVfCount.
absl::Status Undo(const FormerState& former, const journal::Journal& journal,
                  const HostAccess& host);

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_OWNERSHIP_UNDO_H_
