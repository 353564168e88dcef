// Which layouts the software NIC drives: a layout may describe queues that carry no packets, or a
// protocol that no engine of this build runs.
//
// Any thread. Opens queues that nobody uses, and closes them.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_DRIVEN_LAYOUTS_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_DRIVEN_LAYOUTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::softnic {

// OK: a lease of a queue of each direction that the layout has, with `default_slots` slots or the
// nearest count, can be opened. UNIMPLEMENTED: it cannot; the message says what is missing.
absl::Status CheckDriven(const layout::VerifiedLayout& layout, uint32_t default_slots);

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_DRIVEN_LAYOUTS_H_
