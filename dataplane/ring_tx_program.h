// What the general engines know of a transmit queue's descriptors: which form is for what, how
// packets lie in them, what can be asked for. Both sides compile the same.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_RING_TX_PROGRAM_H_
#define QSPLIT_DATAPLANE_RING_TX_PROGRAM_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/ring_forms.h"
#include "dataplane/tx_post.h"
#include "dataplane/tx_program.h"
#include "dataplane/tx_rings.h"

namespace qsplit::dataplane {

struct RingTxProgram {
  // forms: those of the ring (table) of descriptors. UNIMPLEMENTED: packets that lie in descriptors
  // in another way than these engines drive.
  static absl::StatusOr<RingTxProgram> Compile(const QueueShape& queue, const TxRings& rings,
                                               const RingForms& forms);

  // What a form of the ring is, by its position there.
  enum class Kind : uint8_t {
    kData,
    kContext,
    kSilent,  // belongs to a packet and says nothing that matters here
  };
  struct Use {
    Kind kind = Kind::kSilent;
    uint32_t at = 0;  // in posts, or in requests.contexts
  };

  // Contexts and features; its `data` is empty. What stands in packets' memory is the last of the
  // contexts.
  TxProgram requests;
  std::vector<TxPost> posts;
  std::vector<Use> uses;
  std::vector<uint32_t> context_forms;  // position in the ring, by context
  // In posts: of descriptors behind a packet's first one; kNone.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t rest = kNone;

  v1::Span span = v1::SPAN_SINGLE;
  // Descriptors of a packet, contexts included.
  uint32_t max_descriptors = 0;
  uint64_t max_packet_bytes = 0;
  // In requests.contexts; kNoContext.
  int prefix = TxProgram::kNoContext;
  uint32_t prefix_bytes = 0;
  // Of requests that stand in front of packets' bytes: in requests.contexts; and their size, which
  // each buffer has in front of it. 0: none.
  int before = TxProgram::kNoContext;
  uint32_t before_bytes = 0;
  // Packets' bytes stand in slots.
  bool has_inline = false;

  const TxPost* Rest() const { return rest == kNone ? nullptr : &posts[rest]; }
};

// Bytes from one packet's prefix to the next one's in QueueView::scratch.
constexpr uint32_t PrefixStride(uint32_t prefix_bytes) { return (prefix_bytes + 15) / 16 * 16; }

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_TX_PROGRAM_H_
