// What must hold of a packet as a whole, beyond each of its buffers: that it is as long as its
// descriptors say and devices take, and that what it asks for makes sense together with the context
// that it names. A device that is asked for nonsense may stop for all of its users.
//
//   Begin (first descriptor) ──► Add (each) ──► End (last); or IsGoodAlone
//   TakeContext, in between packets
//
// Private memory; descriptors are private copies that a hostile client wrote. Never allocates after
// Compile. As thread-safe as its owner.
#ifndef QSPLIT_DAEMON_GUARD_TX_PACKET_CHECK_H_
#define QSPLIT_DAEMON_GUARD_TX_PACKET_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "daemon/guard/guarded_queue.h"
#include "dataplane/queue_shape.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_program.h"

namespace qsplit::guard {

class TxPacketCheck {
 public:
  TxPacketCheck() = default;
  static absl::StatusOr<TxPacketCheck> Compile(const dataplane::InPlaceShape& shape,
                                               const GuardOptions& options);

  const dataplane::TxProgram& program() const { return program_; }

  // Remembers a context of a form (position in program().contexts). False: it names a place that is
  // not there.
  bool TakeContext(size_t context, const std::byte* copy);

  // Whether a packet has begun; bytes of the present or the last one.
  bool begun() const { return begun_; }
  // Of packets that leave in one piece, in bytes.
  uint64_t min_bytes() const { return min_bytes_; }
  uint64_t max_bytes() const { return max_bytes_; }
  uint64_t bytes() const { return bytes_; }
  // A packet's first descriptor, of a data form (position in program().data). asks: it has one of
  // the bits that ask for more than to be sent. False: for what no context was set up.
  bool Begin(size_t form, bool last, bool asks, const std::byte* copy);
  // Each descriptor of a packet, the first one too.
  void Add(size_t form, bool first, bool last, uint64_t bytes, const std::byte* copy) {
    bytes_ += bytes;
    if (asks_ && (first || last)) program_.data[form].request.Load(copy, first, last, &draft_);
  }
  // Of the last one: false: the packet must not be sent.
  bool End();
  // The same for a packet of one descriptor that asks for nothing.
  bool IsGoodAlone(size_t form, uint64_t bytes, const std::byte* copy) {
    bytes_ = bytes;
    return bytes >= min_bytes_ && bytes <= max_bytes_ &&
           (!says_total_ || IsOrUnsaid(Said(program_.data[form].total_length, true, copy), bytes));
  }

 private:
  // What a field that is not there says.
  static constexpr uint64_t kUnsaid = UINT64_MAX;
  static uint64_t Said(const std::optional<dataplane::PacketLengthField>& field, bool last,
                       const std::byte* copy) {
    if (!field.has_value() || !dataplane::SpeaksIn(field->position, true, last) ||
        !field->valid.Holds(copy)) {
      return kUnsaid;
    }
    return field->field.Load(copy);
  }
  static bool IsOrUnsaid(uint64_t said, uint64_t is) { return said == is || said == kUnsaid; }
  bool RequestFits() const;

  dataplane::TxProgram program_;
  dataplane::TxContextMemory contexts_;
  bool says_total_ = false;  // some form says how long a packet is
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = 0;
  uint64_t max_segmented_bytes_ = 0;
  uint64_t min_segment_bytes_ = 0;
  // The payload that the last context announced.
  uint64_t context_payload_ = kUnsaid;

  bool begun_ = false;
  bool asks_ = false;
  uint64_t bytes_ = 0;
  uint64_t total_bytes_ = kUnsaid;    // as the first descriptor says
  uint64_t payload_bytes_ = kUnsaid;  // as it says, behind the headers
  dataplane::RequestDraft draft_;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_TX_PACKET_CHECK_H_
