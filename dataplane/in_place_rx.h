// Both sides of a receive ring in which the device completes descriptors by writing over them.
//
// Who may write what: the driver writes slots that are its own and the doorbell; the device writes
// slots that were published. Neither trusts the other: see rx_driver.h and rx_device.h for what
// each promises. One thread at a time for each side.
#ifndef QSPLIT_DATAPLANE_IN_PLACE_RX_H_
#define QSPLIT_DATAPLANE_IN_PLACE_RX_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/burst/around_ring.h"
#include "dataplane/burst/rx_burst.h"
#include "dataplane/burst/slot_reader.h"
#include "dataplane/burst/slot_writer.h"
#include "dataplane/cache_line.h"
#include "dataplane/doorbell.h"
#include "dataplane/form_match.h"
#include "dataplane/known_descriptors.h"
#include "dataplane/packet_length.h"
#include "dataplane/queue_shape.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/rx_program.h"
#include "dataplane/rx_stencils.h"

namespace qsplit::dataplane {

// The form that offers a buffer, compiled.
struct RxPostForm {
  DescriptorBytes image;
  FieldAccess address;
  std::optional<FieldAccess> length;
  std::optional<FieldAccess> header_address;
  std::optional<FieldAccess> report;
  std::optional<FieldAccess> packet_last;
  uint64_t alignment_mask = 0;  // bits of an address that must be 0

  static absl::StatusOr<RxPostForm> Compile(const InPlaceShape& shape);
};

// Bytes of a buffer, where the layout sets them for the whole queue. INVALID_ARGUMENT: not given,
// or outside the layout's limits.
absl::Status CheckBufferBytes(const InPlaceShape& shape, const RxPostForm& post,
                              uint32_t buffer_bytes);

class alignas(kCacheLineBytes) InPlaceRxDriver {
 public:
  static absl::StatusOr<std::unique_ptr<InPlaceRxDriver>> Create(
      const layout::VerifiedLayout& layout, const QueueView& view, const RxOptions& options);

  RxFields Available() const { return available_; }
  bool NeedsMemory() const { return false; }
  uint32_t Capacity() const { return shape_.capacity; }
  uint32_t Room() const { return shape_.capacity - outstanding_; }
  uint32_t Outstanding() const { return outstanding_; }
  uint32_t Post(std::span<const RxBuffer> buffers);
  bool Publish();
  uint32_t Poll(std::span<RxCompletion> out);
  AccessReport Access() const;
  // How the common case is taken; null: every packet is the engine's.
  const burst::RxBurst* burst() const { return burst_.get(); }

 private:
  InPlaceRxDriver() = default;
  // What the common case is here; null: it has none that a burst can do.
  std::unique_ptr<burst::RxBurst> MakeBurst(AccessMode most) const;
  bool PostOne(const RxBuffer& buffer);
  bool PollOne(RxCompletion* out);
  uint32_t Next(uint32_t slot) const { return slot + 1 == shape_.slot_count ? 0 : slot + 1; }
  uint32_t Ahead(uint32_t slot, uint32_t slots) const {
    return slot + slots == shape_.slot_count ? 0 : slot + slots;
  }

  InPlaceShape shape_;
  RxPostForm post_;
  Doorbells doorbells_;
  FormMatcher matcher_;
  std::vector<RxProgram> programs_;
  RxFields available_;
  PacketLength lengths_;
  uint32_t crc_bytes_ = 0;
  uint32_t prefix_bytes_ = 0;
  uint32_t buffer_bytes_ = 0;
  uint32_t copy_bytes_ = 0;

  std::shared_ptr<const burst::RxBurst> burst_;  // null: every packet is the engine's
  CacheLineVector<burst::PostedSlot> posted_;    // by slot
  uint32_t produce_ = 0;                         // next slot to write
  uint64_t produced_ = 0;                        // free-running
  uint64_t published_ = 0;                       // free-running
  uint32_t consume_ = 0;                         // next slot to look at
  uint32_t outstanding_ = 0;                     // written and not come back
  bool in_packet_ = false;                       // some of it came in before
};

class alignas(kCacheLineBytes) InPlaceRxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<InPlaceRxDevice>> Create(
      const layout::VerifiedLayout& layout, const QueueView& view, const RxDeviceOptions& options);

  const AccessReport& Access() const { return access_; }
  RxFields Supported() const { return supported_; }
  uint32_t PrefixBytes() const { return prefix_bytes_; }
  uint32_t CrcBytes() const { return crc_bytes_; }
  uint32_t PeekAvailable();
  RingFault Fetch(PostedBuffer* out, bool first, uint32_t packet_bytes);
  uint32_t FetchPlain(std::span<PlainBuffer> out);
  void CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets);
  bool PacketMayGoOn() const { return !single_; }
  void Publish() {}  // each completion is there at once
  bool Complete(const RxResult& result);
  void Skip();
  uint32_t Fetched() const { return fetched_; }
  void Unfetch();
  void SetNeedWakeup(bool need) { notification_.Set(need, fetch_count_); }

 private:
  // Nothing but its kind is known of a posted buffer.
  struct Known {};
  // Where the fields of posted descriptors stand that are two words each; one that there is not
  // reads as 0.
  struct Pairs {
    PairField address;
    PairField length;
  };
  // Completions whose length and hash (null: they have none) stand in these fields, as a plan.
  struct Writer {
    const FieldAccess* length = nullptr;
    const FieldAccess* hash = nullptr;
    std::shared_ptr<const burst::SlotWriter> writer;
  };

  InPlaceRxDevice() = default;
  // None where a length or an address decides anything.
  DecidingBits DecidingBitsOf(size_t form) const;
  bool BytesOf(const std::byte* descriptor, uint64_t* bytes) const;
  // Absent: descriptors are not two words, or not all fields stand in one of them.
  std::optional<Pairs> FindPairs() const;
  // The common case as plans; null: none.
  void FindBursts(const layout::VerifiedLayout& layout, const QueueView& view,
                  const RxDeviceOptions& options);
  std::unique_ptr<burst::SlotReader> MakeReader(bool compiled) const;
  std::unique_ptr<burst::SlotWriter> MakeWriter(const RxHoles& holes, bool compiled) const;
  // FetchPlain of `most` descriptors that are published, from fetch_ on: how many were taken. Of
  // kinds that are known, descriptors of two words; others.
  uint32_t TakePairs(uint32_t most, PlainBuffer* out);
  uint32_t TakeOthers(uint32_t most, PlainBuffer* out);
  // CompletePlain by a plan: how many were written.
  uint32_t CompleteByPlan(const RxStencils::Stencil& stencil, std::span<const RxPlain> packets);
  // CompletePlain for completions of two words: how many were written.
  uint32_t CompletePairs(const RxStencils::Stencil& stencil, std::span<const RxPlain> packets);
  // The first form that has all of the metadata, else the first one.
  size_t FormFor(RxFields present) const;
  // A completion of the oldest fetched buffer, which starts a packet if `first`.
  void Encode(uint64_t length, bool first, const RxResult& result, std::byte* descriptor) const;
  // Slots published from the one fetched next on; false: the doorbell says nonsense.
  bool ReadProducer(uint32_t* available) const {
    return producer_.Read({fetch_, shape_.slot_count, fetch_count_}, 0, shape_.slot_count,
                          available);
  }
  uint32_t Next(uint32_t slot) const { return slot + 1 == shape_.slot_count ? 0 : slot + 1; }

  InPlaceShape shape_;
  RxPostForm post_;
  FormMatcher matcher_;
  ProgressReader producer_;
  NotificationSwitch notification_;
  std::vector<RxProgram> programs_;
  RxFields supported_;
  v1::LengthMeaning length_meaning_ = v1::LENGTH_MEANING_BUFFER;
  uint32_t crc_bytes_ = 0;
  uint32_t prefix_bytes_ = 0;
  uint32_t buffer_bytes_ = 0;

  std::vector<DecidingBits> deciding_;               // by post form
  std::shared_ptr<const burst::SlotReader> reader_;  // null: none
  AccessReport access_ = AccessReport::Engine();
  std::vector<Writer> writers_;
  KnownDescriptors<Known> known_;
  std::optional<Pairs> pairs_;
  RxStencils stencils_;
  uint32_t max_bytes_ = 0;  // of a buffer

  CacheLineVector<uint32_t> bytes_;  // posted, by slot; of fetched ones
  uint32_t fetch_ = 0;               // next slot to fetch
  uint64_t fetch_count_ = 0;         // free-running
  uint32_t ahead_ = 0;               // slots from fetch_ on that were published at the last look
  uint32_t complete_ = 0;            // next slot to complete
  uint32_t fetched_ = 0;             // fetched and not completed
  RingFault fault_ = RingFault::kNone;
  bool single_ = false;  // one descriptor, one packet
  bool in_packet_ = false;
  uint64_t so_far_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_IN_PLACE_RX_H_
