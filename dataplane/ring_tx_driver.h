// The driver's side of a transmit queue of any protocol that the ring layer knows. See tx_driver.h
// for what it promises.
//
//   Push      contexts and descriptors into the ring, or a chain into the table; a record
//   Publish   the last packet's report, then everything is the device's at once
//   Reclaim   heads, slots, completions ──► records ──► cookies
//
// The device may write anything into cells and completions: what names no packet that was published
// is passed over, and a packet comes back once. One thread at a time.
#ifndef QSPLIT_DATAPLANE_RING_TX_DRIVER_H_
#define QSPLIT_DATAPLANE_RING_TX_DRIVER_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/access_report.h"
#include "dataplane/address_ledger.h"
#include "dataplane/burst/tx_ring.h"
#include "dataplane/cache_line.h"
#include "dataplane/completion_reader.h"
#include "dataplane/completion_rules.h"
#include "dataplane/head_progress.h"
#include "dataplane/post_writer.h"
#include "dataplane/ring_tx_plain.h"
#include "dataplane/ring_tx_program.h"
#include "dataplane/table_slots.h"
#include "dataplane/tx_contexts.h"
#include "dataplane/tx_driver.h"
#include "dataplane/tx_ledger.h"
#include "dataplane/tx_plans.h"
#include "dataplane/tx_times.h"

namespace qsplit::dataplane {

class alignas(kCacheLineBytes) RingTxDriver {
 public:
  static absl::StatusOr<std::unique_ptr<RingTxDriver>> Create(const layout::VerifiedLayout& layout,
                                                              const QueueView& view,
                                                              const TxOptions& options);

  TxFeatures Features() const { return program_.requests.features; }
  bool Supports(const TxRequest& request) const { return MakePlan(request).first != nullptr; }
  uint32_t Capacity() const { return table_ ? table_->slot_count() : posts_->Capacity(); }
  uint32_t Room();
  uint32_t MaxSegments() const { return max_segments_; }
  uint32_t MinPacketBytes() const { return shape_.queue->limits().min_bytes_per_packet(); }
  uint32_t AddressAlignment() const;
  uint32_t Outstanding() const { return ledger_.Count(); }
  bool NeedsMemory() const { return program_.has_inline; }
  PushResult Push(std::span<const TxSegment> segments, const TxRequest& request, uint32_t cookie) {
    if (segments.size() == 1 && request.wants.bits == 0 &&
        plain_packet_.limits().Allow(segments[0].address.value, segments[0].bytes)) [[likely]] {
      const TxPacket packet{segments[0].address, segments[0].bytes, cookie};
      return PushPlain(std::span(&packet, 1)) == 1 ? PushResult::kPushed : PushResult::kNoRoom;
    }
    return PushAny(segments, request, cookie);
  }
  // Of TxDriver::PushBurst, the first packets that are of the common case; how many.
  [[gnu::hot]] uint32_t PushRun(std::span<const TxPacket> packets, const TxRequest& request);
  uint32_t BytesBefore() const { return program_.before_bytes; }
  AccessReport Access() const;
  [[gnu::hot]] bool Publish();
  [[gnu::hot]] uint32_t Reclaim(std::span<uint32_t> cookies) {
    const uint32_t count = ledger_.TakeCookies(cookies);
    return count == cookies.size() ? count : ReclaimMore(cookies, count);
  }
  bool ReturnsTimes() const { return times_.possible(); }
  uint32_t TakeTimes(std::span<TxTime> out) { return times_.Take(out); }

 private:
  // Pieces of a packet whose bytes go into a slot themselves.
  static constexpr uint32_t kMaxInlineSegments = 64;
  // The common case of packets with one first form.
  struct Burst {
    const TxPost* first = nullptr;
    bool has_total = false;  // their whole length stands in it
    TxPlain plain;
    std::shared_ptr<const burst::TxRingBurst> code;
  };
  static constexpr uint32_t kPlainPrefix = 1;
  struct Plan : TxPlan {
    const TxPost* first = nullptr;  // null: the request cannot be carried
    bool timed = false;             // its time comes back
    // For bursts; null: the engine writes each packet. What it is written by.
    const Burst* burst = nullptr;
    const burst::TxRingBurst* code = nullptr;
    std::array<burst::TxRingImage, 2> image;  // by phase
    uint32_t prefix = kPlainPrefix;           // number of what the prefixes of its packets say
  };
  // A packet about to be written.
  struct Packet {
    const Plan* plan = nullptr;
    std::span<const TxSegment> segments;
    uint32_t buffers = 0;      // the prefix is one
    uint32_t descriptors = 0;  // without a context in front
    uint32_t slots = 0;        // of them, and of the context
    uint64_t total = 0;        // bytes
    uint64_t payload = 0;      // behind the headers that segmentation repeats
    bool emit = false;         // a context descriptor
    uint32_t place = 0;        // of the context
    uint32_t id = 0;
    bool report = false;
    uint32_t reporter = 0;  // number of the descriptor that asks for it
  };
  // A descriptor whose report is asked for at Publish, if nothing follows.
  struct Unreported {
    const FieldAccess* field = nullptr;
    RingCursor at;
    uint32_t form = 0;
    uint32_t bytes = 0;
    uint32_t id = 0;
    DescriptorBytes image;
  };

  RingTxDriver() = default;
  absl::Status Open(const TxOptions& options);
  absl::Status OpenReturns();
  absl::Status OpenPrefixes();
  absl::Status OpenTable();
  void OpenPlain();
  // What packets of one buffer with this request are, with or without their whole length. False:
  // they are not like that.
  bool Describe(const Plan& plan, bool has_total, TxPlain* plain, Packet* packet) const;
  // Whether it is there, by the request alone.
  bool HasTotal(const Plan& plan) const;
  // Whether these bytes are what WriteRing would write, for a few packets.
  bool IsRight(const TxPlain& plain, Packet packet) const;
  burst::TxMemory MemoryOfBursts() const;
  void OpenBursts(const TxOptions& options);
  void AddBurst(const Plan& plan, bool has_total, const burst::TxDonePlan* done,
                const TxOptions& options);
  std::optional<burst::TxDonePlan> MakeDone() const;
  // Fills in the images; plan->burst stays null where a burst cannot say the request.
  void MakeImages(Plan* plan) const;
  uint32_t FindMaxSegments() const;
  Plan MakePlan(const TxRequest& request) const;
  Plan& PlanFor(const TxRequest& request) {
    return plans_.For(request, [this](const TxRequest& other) { return MakeNextPlan(other); });
  }
  // With a number of its own for what its prefixes say.
  Plan MakeNextPlan(const TxRequest& request);
  // Descriptors and slots that so many buffers need; false: more than a packet can ever have.
  bool Measure(const TxPost& first, uint32_t buffers, uint32_t* descriptors, uint32_t* slots) const;
  // Everything that can go wrong, before anything is written.
  PushResult Check(const Plan& plan, std::span<const TxSegment> segments, Packet* packet,
                   DescriptorBytes* context) const;
  bool HasRoom(const Packet& packet);
  bool NeedsContextDescriptor(const Packet& packet) const {
    return packet.plan->context != TxProgram::kNoContext &&
           packet.plan->context != program_.prefix && !IsBefore(*packet.plan);
  }
  // Whether the request stands in front of the packet's bytes.
  bool IsBefore(const Plan& plan) const {
    return program_.before_bytes != 0 && plan.context == program_.before;
  }
  bool AfterFirst(const Packet& packet) const {
    return packet.emit &&
           program_.requests.contexts[static_cast<size_t>(packet.plan->context)].after_first;
  }
  // What a descriptor of the packet is written with. Measure saw to it that there is one for the
  // rest where a packet has several.
  const TxPost& PostOf(const Packet& packet, uint32_t number) const {
    const TxPost* const rest = program_.Rest();
    return number == 0 || rest == nullptr ? *packet.plan->first : *rest;
  }
  // Descriptors come back one by one.
  bool EachDescriptorReturns() const {
    return rings_.how == TxReturn::kAddress || rings_.how == TxReturn::kDescriptor;
  }
  uint32_t OwedFor(const Packet& packet) const;
  void WriteContext(const Packet& packet, DescriptorBytes* context);
  void WritePrefix(const Packet& packet);
  // Those of plain packets, as far as they say something else. False: none did.
  bool WritePrefixes(const Plan& plan, const uint32_t* ids, uint32_t packets);
  // A request that stands in memory, in the form of a context.
  DescriptorBytes RequestImage(const Packet& packet, int context) const;
  void WriteInline(const Packet& packet) const;
  // One descriptor with buffers [begin, begin + count) of the packet.
  void Fill(const Packet& packet, const TxPost& post, uint32_t number, uint32_t begin,
            uint32_t count, std::byte* image) const;
  void WriteRing(const Packet& packet, DescriptorBytes* context, TxLedger::Packet* record);
  void WriteChain(const Packet& packet, TxLedger::Packet* record);
  // Which descriptor of a packet would ask for its completion, and whether the next packet is to.
  uint32_t ReporterOf(const TxPost& first, uint32_t descriptors) const;
  bool TakeReport(uint32_t slots, bool always = false);
  PushResult PushAny(std::span<const TxSegment> segments, const TxRequest& request,
                     uint32_t cookie);
  // The first n, n returned, until there is no room or the next one is not plain.
  [[gnu::hot]] uint32_t PushPlain(std::span<const TxPacket> packets);
  // How many plain packets of so many have room.
  uint32_t PlainRoom(uint32_t packets) {
    packets = std::min(packets, ledger_.Free());
    const uint32_t free = completion_capacity_ - owed_;
    if (packets * plain_owed_ > free) packets = free / plain_owed_;
    if (table_) packets = std::min(packets, table_->Room() / plain_packet_.count);
    const uint32_t slots = plain_packet_.slots;
    return posts_->HasRoom(packets * slots) ? packets : posts_->Room() / slots;
  }
  // Sets easy_, whatever it was.
  [[gnu::noinline]] void FindEasy();
  // Whether the plan's context is there for its next packet, named by its images.
  [[gnu::noinline]] bool FindContext(Plan* plan);
  // These, in as many runs as it takes; how many.
  [[gnu::noinline]] uint32_t PushRuns(const Plan& plan, std::span<const TxPacket> packets);
  uint32_t PartRoom() const;
  // These, at most PartRoom(), in one burst, the last one with a report or not; how many. The same
  // however many they are, one after the other.
  uint32_t WritePart(const Plan& plan, std::span<const TxPacket> packets, bool report);
  template <burst::TxMemory kMemory>
  uint32_t WritePart(const Plan& plan, std::span<const TxPacket> packets, bool report);
  uint32_t WriteRun(const Plan& plan, std::span<const TxPacket> packets, bool report);
  // Packets up to the one that is reported.
  uint32_t UntilReport() const {
    if (since_report_ == 0) [[likely]] {
      return most_run_;
    }
    const uint32_t slots = most_unreported_ - std::min(most_unreported_, slots_since_report_);
    return std::max(1u, std::min(report_every_ - std::min(report_every_, since_report_),
                                 Whole(slots + plain_packet_.slots - 1)));
  }
  // So many were written, the last one with a report or not.
  void CountUnreported(uint32_t packets, bool reported) {
    if (reported || !coalesces_) {
      since_report_ = slots_since_report_ = 0;
    } else {
      since_report_ += packets;
      slots_since_report_ += packets * plain_packet_.slots;
    }
  }
  template <burst::TxMemory kMemory>
  void AddRun(std::span<const TxPacket> packets, bool report);
  void CopyOf(const Plan& plan, const TxPacket& packet, uint32_t written, uint32_t descriptor,
              uint32_t bytes, std::byte* to) const;
  void KeepBell(const Plan& plan, const TxPacket& packet, uint32_t written, bool all,
                bool reported);
  void KeepBellSlowly(const Plan& plan, const TxPacket& packet, uint32_t written, bool reported);
  void KeepUnreported(const Plan& plan, const TxPacket& packet, uint32_t written);
  // Asks for the completion of the last packet, which is not the device's yet.
  [[gnu::noinline]] void ReportLast();
  // Plain packets that so many slots hold.
  uint32_t Whole(uint32_t slots) const { return plain_packet_.slots == 2 ? slots / 2 : slots; }
  void WritePlain(uint64_t address, uint32_t bytes, uint32_t cookie);
  void WritePlainRing(TxPlain::Values& values, uint32_t id, TxLedger::Packet* record);
  void WritePlainChain(TxPlain::Values& values, TxLedger::Packet* record);
  TxLedger::Packet& AddPlain(uint32_t cookie, bool report);
  TxPlain::Values PlainValues(uint64_t address, uint32_t bytes, uint32_t id, bool report) const {
    return {address, bytes, shape_.view.scratch_iova.value + uint64_t{id} * prefix_stride_, id, 0,
            0,       report};
  }

  // Completions.
  // As Reclaim, where so many cookies are there already; how many are then.
  [[gnu::hot, gnu::noinline]] uint32_t ReclaimMore(std::span<uint32_t> cookies, uint32_t count);
  void Poll();
  void PollHead();
  void PollInPlace();
  void PollCompletions();
  // Completions of the common case, in bursts, whose keys are packets' numbers; or slots, up to
  // which all are sent. Cookies of packets that come back one by one go here, so many at most, and
  // those of whole runs; returns how many.
  [[gnu::hot]] uint32_t TakeNumbers(std::span<uint32_t> cookies);
  [[gnu::hot]] uint32_t TakePositions(std::span<uint32_t> cookies);
  uint32_t MostDone();
  // One that names no packet which is remembered; nullopt: there is none. How many cookies it gave.
  [[gnu::noinline]] std::optional<uint32_t> TakeOther(uint32_t* cookie);
  // If the oldest packets are a run that ends at this slot: they are sent, and these their cookies.
  bool FinishRun(uint64_t slot, std::span<uint32_t> cookies, uint32_t* count);
  // The same where buffers come back by address.
  [[gnu::hot]] uint32_t TakeByAddress(std::span<uint32_t> cookies);
  // One at least of so many, in whichever order.
  [[gnu::noinline]] void TakeAnyAddress(uint32_t most, uint32_t* cookies, uint32_t* count);
  void TakeId(uint32_t id, uint32_t* cookies, uint32_t* count);
  void FreePlain(uint32_t packets);
  // All packets up to the one that holds this slot, if that is published.
  // completion: that named it, of a form; null: it says nothing else that is wanted.
  void CompleteUpTo(uint64_t slot, uint32_t form = 0, const std::byte* completion = nullptr);
  bool IsPublished(uint32_t id) {
    return id != TxLedger::kNone && ledger_[id].number < published_packets_;
  }
  uint32_t Named(v1::CompletionKey key, uint64_t value);
  void CompleteNamed(bool cumulative, uint32_t id);
  // Runs come back in order: a position says it all.
  bool NamesPositions() const {
    return rings_.how == TxReturn::kUpTo && rings_.key == v1::COMPLETION_KEY_INDEX && !table_ &&
           !posts_->position().has_link();
  }
  void FreeSlots(const TxLedger::Packet& packet);
  [[gnu::noinline]] void FreeChain(uint32_t first);
  void Finish(uint32_t id);
  // The same, for where they are all that is done.
  void FreeHere(const TxLedger::Packet& packet);
  void FinishHere(uint32_t id);
  // What the device left in its first slot.
  void NoteSlot(uint32_t id);
  void FinishPart(uint32_t id, uint32_t packets);

  QueueShape shape_;
  TxRings rings_;
  RingTxProgram program_;
  std::optional<PostWriter> posts_;
  std::optional<TableWriter> table_;
  CacheLineVector<uint32_t> table_next_;  // of each slot in its chain
  DescriptorBytes chain_image_;           // of what names a chain
  FieldAccess chain_head_;
  TxContextPlaces contexts_;
  TxLedger ledger_;
  AddressLedger addresses_;  // where completions name buffers
  TxTimes times_;

  std::optional<HeadReader> head_;
  std::optional<CompletionReader> completions_;
  CompletionRules rules_;
  uint32_t completion_slots_ = 1;              // that one takes at most
  uint32_t completion_capacity_ = UINT32_MAX;  // slots
  uint32_t owed_ = 0;                          // slots

  bool has_report_ = false;
  bool coalesces_ = false;  // a report stands for all before it
  uint32_t report_every_ = 1;
  uint32_t most_unreported_ = 1;     // slots
  uint32_t most_run_ = UINT32_MAX;   // UntilReport() just after one; without coalescing, always
  uint32_t since_report_ = 0;        // packets
  uint32_t slots_since_report_ = 0;  // slots
  Unreported unreported_;

  uint32_t max_segments_ = 0;
  TxPlans<Plan> plans_;
  // A packet's buffer in addresses_ is all that need be known of it: the ledger only counts it.
  bool alone_ = false;
  std::vector<Burst> bursts_;
  // Packets that one burst can be of without looking for room: they have slots up to the ring's
  // end, numbers, and completions.
  uint32_t easy_ = 0;
  const burst::TxRingBurst* takes_ = nullptr;  // one of them, whose completions are read in bursts
  burst::TxMemory memory_ = burst::TxMemory::kNothing;
  // Here, since what does not change need not be said again.
  burst::TxRingCall call_;
  burst::TxNumbers numbers_;
  uint64_t held_word_ = 0;
  std::byte* post_slots_ = nullptr;
  const std::byte* done_slots_ = nullptr;  // of completions, if takes_ is there
  TxPlain plain_packet_;
  uint32_t plain_owed_ = 0;
  uint32_t plain_pending_ = 1;
  const FieldAccess* plain_report_ = nullptr;
  uint32_t prefix_stride_ = 0;           // bytes
  CacheLineVector<uint32_t> prefixes_;   // number of what they say, by packet's id; 0: nothing yet
  uint32_t last_prefix_ = kPlainPrefix;  // number
  uint64_t published_packets_ = 0;
  uint64_t published_slots_ = 0;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RING_TX_DRIVER_H_
