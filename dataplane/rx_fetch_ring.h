// The device's side of one ring of buffers of a receive queue, or of a table of buffers with the
// ring that names its slots: the buffers that the driver posted, one after the other, as private
// copies.
//
//             Fetch                       Finish
//   posted ────────► handed out ──────────────────────► the driver's
//             ◄──────── Return, and then again out of the private copy
//
// The driver is hostile: descriptors are read once, checked, and never looked at again. What comes
// out is what the driver asked for, not what it may have.
// Never: allocates after Create, locks, makes a system call, loops without a cap. One thread at a
// time.
#ifndef QSPLIT_DATAPLANE_RX_FETCH_RING_H_
#define QSPLIT_DATAPLANE_RX_FETCH_RING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/post_reader.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_post.h"
#include "dataplane/rx_rings.h"
#include "dataplane/table_slots.h"

namespace qsplit::dataplane {

class RxFetchRing {
 public:
  // Which buffer of which descriptor, both counted.
  struct Place {
    uint64_t descriptor = 0;
    uint32_t buffer = 0;
  };

  // key: of what is kept in options.bursts for this ring.
  static absl::StatusOr<RxFetchRing> Create(const QueueShape& queue, const RxRings::Lane& lane,
                                            const std::string& key, const RxDeviceOptions& options);

  // Number in Queue.rings that completions name.
  uint32_t ring() const { return ring_; }
  uint32_t slot_count() const { return reader_->slot_count(); }
  uint32_t buffers_per_descriptor() const { return per_descriptor_; }

  // Buffers that could be fetched now, at least as far as is known; 0 after a fault.
  uint32_t Available();
  // Whether the descriptor that Fetch took from last has more buffers.
  bool HasMoreHere() const { return next_.buffer != 0 && MoreIn(next_); }
  // The next buffer, and where it is. whole: of a new descriptor, even if the last one has more.
  RingFault Fetch(bool whole, PostedBuffer* out, Place* place);
  // Fetch for up to `most` descriptors of the common case, each a buffer, whole; the first one's
  // place. Fewer, down to none: Fetch takes the next one, or says what is wrong with it.
  uint32_t FetchRun(uint32_t most, PlainBuffer* out, Place* first);
  // How it is done; null: not at all.
  const burst::SlotReader* run() const { return run_.get(); }
  // Goes back: what was fetched from there on is fetched again.
  void Return(const Place& place) { next_ = place; }

  // What was fetched.
  uint32_t Slot(uint64_t descriptor) const { return At(descriptor).slot; }
  uint32_t Slots(uint64_t descriptor) const { return At(descriptor).slots; }
  // What a completion with such a key says of it.
  uint64_t Key(uint64_t descriptor, v1::CompletionKey key) const;
  Iova Address(uint64_t descriptor) const { return Buffers(descriptor)[0].address; }
  bool IsLastOf(const Place& place) const;
  // All descriptors up to and with this one are the driver's again.
  void Finish(uint64_t descriptor);
  // Tells the driver, where a cell does, what was read: private copies need no slots. Once for each
  // burst.
  void Publish() { reader_->PublishConsumed(); }

  void SetNeedWakeup(bool need) const { reader_->SetNeedWakeup(need); }
  RingFault fault() const { return reader_->fault(); }
  RingFault Fail(RingFault fault) { return reader_->Fail(fault); }

 private:
  struct Descriptor {
    uint32_t slot = 0;
    uint32_t slots = 1;  // of the ring that is read in order
    uint64_t tag = 0;
    uint32_t buffers = 0;
  };
  RxFetchRing() = default;
  Descriptor& At(uint64_t number) { return descriptors_[number % descriptors_.size()]; }
  const Descriptor& At(uint64_t number) const { return descriptors_[number % descriptors_.size()]; }
  const PostedBuffer* Buffers(uint64_t number) const {
    return &buffers_[number % descriptors_.size() * per_descriptor_];
  }
  bool MoreIn(const Place& place) const {
    return place.descriptor != end_ && place.buffer < At(place.descriptor).buffers;
  }
  RingFault Load();
  std::unique_ptr<burst::SlotReader> MakeRun(AccessMode access) const;

  uint32_t ring_ = 0;
  std::optional<PostReader> reader_;
  std::optional<TableReader> table_;
  FieldAccess name_;
  std::vector<std::optional<RxPost>> posts_;  // by form
  uint32_t per_descriptor_ = 1;
  std::shared_ptr<const burst::SlotReader> run_;
  CacheLineVector<uint32_t> notes_;          // tags, by slot
  CacheLineVector<Descriptor> descriptors_;  // a ring
  CacheLineVector<PostedBuffer> buffers_;
  uint64_t oldest_ = 0;  // not finished
  uint64_t end_ = 0;     // not loaded
  Place next_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_FETCH_RING_H_
