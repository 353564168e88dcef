// The driver's side of one ring of buffers of a receive queue, or of a table of buffers with the
// ring that names its slots: writes descriptors, remembers what they hold, finds what a completion
// names.
//
//   Put ──► waiting for a whole descriptor ──► written ──Publish──► device's ──Remove──► free
//
// The driver alone writes the slots; what a device says only ever looks up private memory.
// Never: allocates after Create, locks, makes a system call. One thread at a time.
#ifndef QSPLIT_DATAPLANE_RX_BUFFER_RING_H_
#define QSPLIT_DATAPLANE_RX_BUFFER_RING_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "dataplane/burst/rx_ring_burst.h"
#include "dataplane/completion_rules.h"
#include "dataplane/post_writer.h"
#include "dataplane/rx_driver.h"
#include "dataplane/rx_ledger.h"
#include "dataplane/rx_post.h"
#include "dataplane/rx_rings.h"
#include "dataplane/table_slots.h"

namespace qsplit::dataplane {

class RxBufferRing {
 public:
  static constexpr uint32_t kNone = RxLedger::kNone;

  // most_descriptors: that may be outstanding at once.
  static absl::StatusOr<RxBufferRing> Create(const QueueShape& queue, const RxRings::Lane& lane,
                                             const RxOptions& options, uint32_t most_descriptors);

  // Number in Queue.rings that completions name.
  uint32_t ring() const { return ring_; }
  // In buffers.
  uint32_t Capacity() const { return capacity_; }
  uint32_t Room();
  uint32_t Outstanding() const { return outstanding_; }

  // Takes a buffer; its descriptor is written once it is whole. False: no room, or what the layout
  // cannot say.
  bool Put(const RxBuffer& buffer);
  // Takes the first n, as many as it can; returns n.
  uint32_t PutBurst(std::span<const RxBuffer> buffers);
  // True: wake the device.
  bool Publish();
  // Descriptors that the device may have completed.
  uint32_t Published() const { return ledger_.Count() - unpublished_; }

  // The descriptor that a completion names, which stands in `slot` if it stands in place; kNone.
  // *offset: for addresses, how far behind the buffer's first byte.
  uint32_t Find(const CompletionTarget& target, uint32_t slot, uint64_t* offset);
  std::span<const RxBuffer> Buffers(uint32_t id) const;
  uint32_t Slots(uint32_t id) const { return ledger_.Slots(id); }
  // It came back, with all its buffers.
  void Remove(uint32_t id);

  // Whether each descriptor has one buffer; then OneBuffer is it, and RemoveOne what Remove does.
  bool one_each() const { return per_descriptor_ == 1; }
  const RxBuffer& OneBuffer(uint32_t id) const { return ledger_.Buffers(id).front(); }
  void RemoveOne(uint32_t id) {
    --outstanding_;
    if (table_.has_value()) table_->Free(ledger_.Slot(id));
    ledger_.Remove(id);
    writer_->Free(writer_slots_);
    if (unpublished_ > ledger_.Count()) [[unlikely]] {
      unpublished_ = ledger_.Count();
    }
  }

  // For bursts: that they do what PutBurst does, from now on; whether completions of the oldest
  // descriptors may be taken so; their buffers, by number, and the number of the oldest; and that
  // so many of them came back.
  void UseBurst(const burst::RxRingBurst* burst) { burst_ = burst; }
  bool InOrder() const { return ledger_.in_order(); }
  RxBuffer* BuffersByNumber() { return ledger_.buffers(); }
  uint32_t OldestNumber() const { return ledger_.Oldest(); }
  void RemoveInOrder(uint32_t count) {
    outstanding_ -= count;
    ledger_.RemoveInOrder(count);
    writer_->Free(count);
  }
  // Whether a plan can be made for descriptors of this ring; then fills in what it needs to know of
  // buffers and of posting. key: by which completions name buffers.
  bool PlanBurst(v1::CompletionKey key, bool device_writes_slots, burst::RxRingPlan* plan) const;

  // One buffer after the other, for packets that take as many as they need. Null: none.
  const RxBuffer* Oldest() const;
  // Whether there is one behind the oldest.
  bool HasSecond() const;
  void RemoveOldest();

 private:
  RxBufferRing() = default;
  // Apart, as its callers need no descriptor of their own on the stack for what is common.
  [[gnu::noinline]] bool WriteDescriptor();
  [[gnu::noinline]] bool PutOne(const RxBuffer& from);
  [[gnu::always_inline]] uint32_t PostBurst(std::span<const RxBuffer> buffers);
  uint32_t FreeDescriptors();
  // Whether no completion can mean an older descriptor in the next one's slots: one that a device
  // passed over keeps them.
  bool SlotsAreFree() const {
    return !slots_name_ || ledger_.SlotsFree(writer_->position().index(), writer_slots_);
  }

  uint32_t ring_ = 0;
  uint32_t capacity_ = 0;
  std::optional<PostWriter> writer_;
  std::optional<TableWriter> table_;
  uint32_t table_form_ = 0;
  uint32_t form_ = 0;  // position among writer_'s: of buffers, or of names
  DescriptorBytes name_image_;
  FieldAccess name_;
  std::optional<RxPost> post_;
  uint32_t per_descriptor_ = 1;
  uint32_t writer_slots_ = 1;  // of writer_'s ring, for a descriptor
  bool may_be_partial_ = false;
  bool bursts_ = false;       // a descriptor has one buffer, and always as many bytes
  uint32_t burst_bytes_ = 0;  // so many
  bool slots_name_ = false;   // completions name a slot of the ring
  bool by_address_ = false;   // completions name an address in a buffer
  RxLedger ledger_;
  const burst::RxRingBurst* burst_ = nullptr;
  // Count of slots from which on every slot holds a descriptor of the buffer with its number.
  uint64_t numbered_from_ = 0;
  // Not side by side: they would be added to as one word of 8 bytes, which a processor only has
  // long after one half of it was stored.
  uint32_t unpublished_ = 0;  // descriptors
  uint32_t taken_of_oldest_ = 0;
  uint32_t outstanding_ = 0;  // buffers
  RxBuffer waiting_[kMaxBuffersPerDescriptor];
  uint32_t waiting_count_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_BUFFER_RING_H_
