// How large the rings and receive buffers of a queue get: what the client asks for, if the layout
// allows it, or the nearest to the device's default.
//
// Pure functions over verified layouts; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_SIZES_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_SIZES_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "daemon/lease/queue_roles.h"
#include "qsplit/v1/layout.pb.h"

namespace qsplit::lease {

// Slots for each of a queue's rings that exist with these choices and that the client posts into;
// how many the others need is the device's to know. wanted 0: `normal`, or the nearest count that
// all of them allow. INVALID_ARGUMENT (OUT_OF_RANGE): a ring does not allow it; `field` names the
// request's field.
absl::StatusOr<uint32_t> ChooseSlots(const v1::Queue& queue, const Choices& choices,
                                     uint32_t wanted, uint32_t normal, std::string_view field);

// Bytes of each receive buffer. wanted 0: 2048, or the nearest that the queue allows.
// INVALID_ARGUMENT (OUT_OF_RANGE): the queue does not allow it.
absl::StatusOr<uint32_t> ChooseBufferBytes(const v1::Queue& queue, uint32_t wanted);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_SIZES_H_
