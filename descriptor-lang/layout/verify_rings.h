// Private to the verifier: what the checks of one ring share.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_RINGS_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_RINGS_H_

#include <string>
#include <string_view>

#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {

inline constexpr std::string_view kPostForm = "a form that the driver posts in the ring";
inline constexpr std::string_view kCompleteForm = "a form that the device completes in the ring";

// A ring whose form lists were checked.
struct RingScope {
  Context& context;
  std::string path;
  const v1::Queue& queue;
  const v1::Ring& ring;
  uint32_t index;
  FormSet posts;      // with the parts that are placed in them
  FormSet completes;  // likewise

  // The driver fills the slots and the device empties them; else the other way round.
  bool driver_produces() const { return !ring.post_forms().empty(); }
  bool is_table() const { return ring.kind() == v1::RING_KIND_TABLE; }
};

// verify_rings.cc: all of one ring, in turn.
absl::Status CheckRing(Context& context, const std::string& path, const v1::Queue& queue,
                       uint32_t ring_index);

// verify_cells.cc: index cells, doorbells.
absl::Status CheckCells(const RingScope& scope);
absl::Status CheckDoorbells(const RingScope& scope);
// What remains of a counter in `mask`, a mask that begins at its lowest bit, must tell all states
// of the ring apart: indices, or with `count` how far the other side is ahead.
absl::Status CheckReach(const RingScope& scope, std::string_view path, uint64_t mask, bool count);

// verify_handover.cc: posted, completed, phase, sequence, fills.
absl::Status CheckHandovers(const RingScope& scope);

// verify_completion.cc: completion rules, compressed entries, packets in slots.
absl::Status CheckCompletions(const RingScope& scope);

}  // namespace qsplit::layout::verifier

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_RINGS_H_
