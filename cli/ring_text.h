// What stands in a queue's rings, for people: indices, doorbells, and each slot's descriptor read
// through the layout.
//
// Rings are what a client and a device wrote, at any moment; the answer is the daemon's and is
// checked against the layout. Pure functions.
#ifndef QSPLIT_CLI_RING_TEXT_H_
#define QSPLIT_CLI_RING_TEXT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "qsplit/v1/queue.pb.h"

namespace qsplit::cli {

// The descriptor that a slot's bytes most likely are: a completion when the layout's condition for
// one holds, else what is posted there. nullopt: none of the ring's.
std::optional<uint32_t> FormOfSlot(const layout::VerifiedLayout& layout, const v1::Ring& ring,
                                   std::span<const uint32_t> choices,
                                   std::span<const uint8_t> bytes);

// All rings of the answer. Slots that say the same as the one above become one line. detail: with
// their bytes. INTERNAL: the answer does not fit the layout.
absl::StatusOr<std::string> RingsText(const layout::VerifiedLayout& layout,
                                      const v1::ReadQueueRequest& request,
                                      const v1::ReadQueueResponse& response, bool detail);

// {"ring", "slot", "form", "fields": …} for each slot, one to a line. Errors as RingsText.
absl::StatusOr<std::string> RingsJson(const layout::VerifiedLayout& layout,
                                      const v1::ReadQueueRequest& request,
                                      const v1::ReadQueueResponse& response);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_RING_TEXT_H_
