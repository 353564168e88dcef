// What the guards of queues have in common in which each descriptor says one buffer and whether the
// packet goes on: the rings' shapes, the forms, what holds of a descriptor and of a packet, and
// what the device completes with.
//
// See guarded_queue.h for what guards promise. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_CHAIN_GUARD_H_
#define QSPLIT_DAEMON_GUARD_CHAIN_GUARD_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "daemon/guard/buffer_form.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pair.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_shape.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

class ChainGuard : public QueueGuard {
 protected:
  // What a completion holds.
  struct DoneForm {
    WordPair kept;
    WordField key;     // the tag, or the place in a table, of what is done
    WordField length;  // may not be there
  };

  explicit ChainGuard(RegionMap regions) : regions_(std::move(regions)) {}
  // The shapes of both queues, which are needed for the rest.
  absl::Status ShapeQueues(const QueueParts& parts);
  // The forms that are posted in a ring of the shadow, which has room for the longest chain.
  absl::Status CompileForms(const dataplane::RingShape& ring, const GuardOptions& options);
  // The one form that completes in a ring of the shadow, all in one word.
  absl::Status CompileDone(const dataplane::RingShape& ring, layout::Role key, uint32_t word,
                           DoneForm* done);

  // Checks private words that stood in `slot`, and turns them into what the device may see. Their
  // form, and the buffer's bytes; null: stopped.
  [[gnu::always_inline]] const BufferForm* Check(uint32_t slot, WordPair* words, uint64_t* bytes) {
    for (const BufferForm& form : forms_) {
      if (!form.Matches(*words)) continue;
      device::FaultKind fault = device::FaultKind::kBadDescriptor;
      *bytes = form.Check(words, &regions_, &fault);
      if (*bytes != 0) [[likely]] {
        return &form;
      }
      Stop(fault, slot, form.Address(*words), form.Length(*words));
      return nullptr;
    }
    Stop(device::FaultKind::kBadDescriptor, slot);
    return nullptr;
  }
  bool IsLength(uint64_t packet_bytes) const {
    return packet_bytes >= min_bytes_ && packet_bytes <= max_bytes_;
  }
  // It goes to the device. packet_bytes: of its buffers.
  void TakePacketTokens(uint64_t packet_bytes) {
    TakeTokens(device_writes_ ? 0 : packet_bytes - prefix_bytes_);
  }
  void CountForwarded(uint32_t descriptors, uint64_t packets, uint64_t bytes);
  void CountReturned(uint32_t completions, uint64_t bytes);

  // Kept for their layouts.
  dataplane::QueueShape shadow_shape_;
  dataplane::QueueShape real_shape_;
  RegionMap regions_;
  std::vector<BufferForm> forms_;
  uint32_t max_descriptors_ = 0;

 private:
  bool device_writes_ = false;
  uint64_t prefix_bytes_ = 0;
  // Of a packet to be sent, with what stands in front of it; all, of those that come.
  uint64_t min_bytes_ = 0;
  uint64_t max_bytes_ = UINT64_MAX;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_CHAIN_GUARD_H_
