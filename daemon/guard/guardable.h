// Whether a guard can stand in front of a layout's queues: asked before a lease is promised.
//
// Off the packet path; makes rings of its own to try, touches no other memory. Any thread.
#ifndef QSPLIT_DAEMON_GUARD_GUARDABLE_H_
#define QSPLIT_DAEMON_GUARD_GUARDABLE_H_

#include "absl/status/status.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::guard {

// Of every receive and transmit queue of the layout, set up with these choices. UNIMPLEMENTED: the
// name of what a guard cannot check (a table in memory, a head, a number that may be an address …),
// as GuardedQueue::Create would say. INVALID_ARGUMENT: no rings can be made of it at all.
absl::Status CheckGuardable(const layout::VerifiedLayout& layout,
                            const dataplane::FeatureChoices& features);

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_GUARDABLE_H_
