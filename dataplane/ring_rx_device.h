// The device's side of a receive queue over any arrangement of rings that the ring layer drives:
// one ring completed in its own slots, or rings of buffers and a ring of completions that names
// them.
//
// A packet's completions are written together when its last buffer is completed, since the first
// one may have to say how many there are or how long the packet is.
//
// Promises as rx_device.h: what a hostile driver writes is read once and checked. Never: allocates
// after Create, locks, makes a system call or a virtual call, loops without a cap. One thread at a
// time.
#ifndef QSPLIT_DATAPLANE_RING_RX_DEVICE_H_
#define QSPLIT_DATAPLANE_RING_RX_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_rules.h"
#include "dataplane/completion_writer.h"
#include "dataplane/compressed_completions.h"
#include "dataplane/ring_shape.h"
#include "dataplane/rx_delivery.h"
#include "dataplane/rx_device.h"
#include "dataplane/rx_fetch_ring.h"
#include "dataplane/rx_rings.h"
#include "dataplane/rx_stencils.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) RingRxDevice {
 public:
  static absl::StatusOr<std::unique_ptr<RingRxDevice>> Create(const layout::VerifiedLayout& layout,
                                                              const QueueView& view,
                                                              const RxDeviceOptions& options);

  AccessReport Access() const;
  RxFields Supported() const { return supported_; }
  uint32_t PrefixBytes() const { return rules_of_packet_.prefix_bytes; }
  uint32_t CrcBytes() const { return rules_of_packet_.crc_bytes; }
  uint32_t PeekAvailable();
  RingFault Fetch(PostedBuffer* out, bool first, uint32_t packet_bytes);
  // Of packets of one buffer each.
  uint32_t FetchPlain(std::span<PlainBuffer> out);
  void CompletePlain(const RxMetadata& meta, std::span<const RxPlain> packets);
  bool PacketMayGoOn() const;
  bool Complete(const RxResult& result);
  void Skip();
  uint32_t Fetched() const { return fetched_count_; }
  void Unfetch();
  void Publish();
  void SetNeedWakeup(bool need);

 private:
  struct Piece {
    uint32_t lane = 0;
    RxFetchRing::Place place;
    uint32_t bytes = 0;   // posted
    uint32_t length = 0;  // of the packet
    Iova address;
  };
  // A completion of a packet that is whole: pieces [begin, end) of it are one descriptor's.
  struct Part {
    size_t begin = 0;
    size_t end = 0;
    uint64_t bytes = 0;      // in it
    uint64_t up_to_now = 0;  // in it and those before
    bool first = false;
    bool last = false;
  };
  // Completions of a form for packets of one buffer and of one completion, but for their numbers,
  // which stand in these fields (hash null: they have none).
  struct Whole {
    uint32_t form = 0;
    const FieldAccess* length = nullptr;
    const FieldAccess* hash = nullptr;
    v1::CompletionKey key_kind = v1::COMPLETION_KEY_UNSPECIFIED;
    uint64_t most_key = UINT64_MAX;
    uint64_t most_address = UINT64_MAX;
    std::shared_ptr<const burst::SlotWriter> writer;
  };

  RingRxDevice() = default;
  void FindWhole(const layout::VerifiedLayout& layout, const RxDeviceOptions& options);
  // Nothing: not one that a plan can say.
  std::optional<Whole> PlanWhole(uint32_t form, const RxHoles& holes,
                                 burst::SlotWritePlan* plan) const;
  // Of FetchPlain and CompletePlain what plans can do: how many.
  uint32_t FetchRun(std::span<PlainBuffer> out);
  uint32_t CompleteRun(const Whole& whole, const RxStencils::Stencil& stencil,
                       const RxMetadata& meta, std::span<const RxPlain> packets);
  absl::Status FindWays();
  // From a lane that serves there, another one each time.
  RingFault FetchFromSome(bool first, PostedBuffer* out, Piece* piece);
  void WritePrefix(const Piece& first, uint32_t completions, uint64_t packet_bytes,
                   const RxMetadata& meta);
  // What a program writes of a packet of one completion; through a stencil where there is one.
  static bool EncodeWhole(const RxProgram& program, uint64_t said, const RxMetadata& meta,
                          RxStencils* stencils, std::byte* image);
  // The part that begins with a piece, as far as the pieces go.
  Part PartFrom(size_t begin) const;
  void CompletePacket(const RxMetadata& meta);
  void CompletePart(const Part& part, uint32_t parts, uint64_t packet_bytes,
                    const RxMetadata& meta);
  void FinishPacket();
  // The form that says most; false: no form can say it.
  bool ChooseForm(uint32_t lane, bool first, bool last, RxFields has, uint32_t* form) const;
  bool Encode(const Part& part, uint32_t form, uint64_t said, uint32_t parts,
              const RxMetadata& meta, std::byte* image);
  void Put(uint32_t form, std::byte* image, uint32_t advance);
  void WriteQueued();

  QueueShape shape_;
  DeviceMemory memory_;
  CacheLineVector<RxFetchRing> lanes_;
  std::vector<v1::PacketPosition> positions_;  // of the lanes
  uint32_t turn_ = 0;                          // the lane that is asked first
  std::optional<CompletionWriter> writer_;
  CompletionRules rules_;
  RxPacketRules rules_of_packet_;
  bool prefix_says_ = false;
  std::vector<RxCompletionForm> forms_;
  RxStencils stencils_;  // of packets of one completion
  std::optional<RxStencils> prefix_stencils_;
  std::vector<Whole> wholes_;
  std::vector<std::vector<uint32_t>> ways_;  // of each lane, the forms that complete it
  uint32_t form_slots_ = 1;                  // of the longest form
  RxFields supported_;
  bool own_slots_ = false;  // completions stand in slots of the one lane
  bool in_place_ = false;   // each in its descriptor's
  bool by_length_ = false;
  uint64_t most_completions_ = UINT64_MAX;  // of a packet

  // Fetched and not completed, a ring; then the pieces of the packet that is being completed.
  CacheLineVector<Piece> fetched_;
  size_t fetched_begin_ = 0;
  uint32_t fetched_count_ = 0;
  CacheLineVector<Piece> packet_;
  RingFault fault_ = RingFault::kNone;  // of any ring: the whole queue's
  uint32_t last_lane_ = 0;              // that Fetch took from
  uint64_t packet_fetched_ = 0;         // buffers, since the last first one

  std::optional<CompressedCompletions> compressed_;
  CacheLineVector<DescriptorBytes> queued_;  // completions that may become a block
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_RX_DEVICE_H_
