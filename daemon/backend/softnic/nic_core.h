// The software NIC itself: what one of its workers' threads does for each frame.
//
//   TX ring --> gather, offloads --> wire (tap, or the peer's ReceiveFromWire)
//   wire --> parse --> MAC filter --> rules --> RSS --> RX ring of a leased queue
//                                                  \--> representor (tap), or dropped
//   representor --> wire
//
// A NIC has a core for each of its threads; a queue belongs to one of them, by the configuration,
// with its ring, its statistics and all else that is written for a packet. A frame for a queue of
// another core goes there by a lane (frame_lane.h). The first core has the kernel interfaces and
// the link.
//
// Rings, doorbells, descriptors, buffers: hostile clients write them at any moment. Frames: from
// outside. It never writes a byte outside of a lease's mappings and rings, never waits for a client
// and never allocates or locks on the packet path (a fault, at most one for each queue, posts to
// the mailer). Every member function: the worker's thread, unless it says otherwise.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_NIC_CORE_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_NIC_CORE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/backend/common/event_mailer.h"
#include "daemon/backend/common/worker.h"
#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/config.h"
#include "daemon/backend/softnic/counters.h"
#include "daemon/backend/softnic/flow_cache.h"
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/frame_burst.h"
#include "daemon/backend/softnic/frame_lane.h"
#include "daemon/backend/softnic/lease_queues.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "daemon/backend/softnic/tx_offload.h"
#include "daemon/linux/tap.h"

namespace qsplit::softnic {

using backend::Worker;

using backend::MonotonicNs;

// What Set changes.
struct NicSettings {
  uint32_t mtu_bytes = 1500;
  bool promiscuous = false;
  bool all_multicast = false;
  std::vector<device::MacAddress> multicast;  // ascending
};

// RSS as the packet path uses it.
struct RssTable {
  explicit RssTable(const RssKey& key) : toeplitz(key) { queue.fill(device::kNoQueue); }
  Toeplitz toeplitz;
  std::array<uint32_t, kRssTableSize> queue;
};

// Of timestamps: CLOCK_REALTIME.
uint64_t WallClockNs();

class alignas(dataplane::kCacheLineBytes) NicCore : public backend::Poller {
 public:
  struct Parts {
    std::optional<linux_sys::Tap> wire;         // absent with a peer
    std::optional<linux_sys::Tap> representor;  // absent: none
  };

  // Any thread, before it is added to its worker.
  NicCore(const SoftNicConfig& config, Parts parts, Worker* worker, backend::EventMailer* mailer);

  // Which core of its NIC this one is, and the lanes between them; null: to itself. Before Attach.
  void JoinCores(std::span<NicCore* const> cores, uint32_t index, std::span<FrameLane* const> to,
                 std::span<FrameLane* const> from);

  // Joins and leaves the worker. Detach also takes it off its peer's wire.
  void Attach();
  void Detach();
  static void Connect(NicCore* a, NicCore* b);

  bool Poll(uint64_t now_ns) override;
  void SignalCompletions() override;
  uint64_t ArmWakeups() override;
  void DisarmWakeups() override;

  // Commands.
  // Takes the lease's queues that are its own.
  void OpenLease(LeaseQueues* lease, std::shared_ptr<const RssTable> rss);
  // When it returns, nothing here points to the lease.
  void CloseLease(const LeaseQueues* lease, std::shared_ptr<const RssTable> rss);
  void SetRules(std::shared_ptr<const FlowTable> rules) {
    rules_ = std::move(rules);
    flows_.Forget();
  }
  void SetRss(std::shared_ptr<const RssTable> rss) {
    rss_ = std::move(rss);
    flows_.Forget();
  }
  void SetSettings(NicSettings settings) {
    settings_ = std::move(settings);
    flows_.Forget();
  }
  // FAILED_PRECONDITION: the queue is not leased.
  absl::Status Inject(const device::Injection& injection);
  // What only this thread knows of a queue; nothing of one that is not leased.
  std::vector<device::QueueCheck> Examine(uint32_t queue, bool transmit, uint64_t now_ns);

  // Any thread.
  const NicStats& stats() const { return stats_; }
  NicStats& stats() { return stats_; }
  bool link_up() const {
    return cores_.front()->link_.load(std::memory_order_relaxed) == Link::kUp;
  }
  // Why the link is down, in a sentence; empty: it is up.
  std::string LinkTrouble() const;
  // The kernel interfaces' settings; one caller at a time.
  absl::Status SetInterfaceMtu(uint32_t mtu_bytes);

 private:
  enum class Link : uint8_t { kUp, kNotLookedAt, kNoWire, kTapDown, kInjected, kPeerInjected };

  // rx_path.cc
  void ReceiveFromWire(std::span<uint8_t> frame);
  // The same, of a frame that was counted.
  void Receive(std::span<uint8_t> frame);
  bool PassesMacFilter(const device::MacAddress& destination) const;
  void ToRepresentor(std::span<const uint8_t> frame);
  // Back to the wire with its MAC addresses swapped. A frame that the peer reflects in turn is
  // dropped: it would go to and fro for ever.
  void Reflect(std::span<uint8_t> frame);
  // The number of the receive queue of a packet that passed the MAC filter, or one that no queue
  // has. rule: the packet's.
  uint32_t QueueFor(const FlowTable::Entry& rule, const FlowHash& hash) const;
  RxQueue* QueueHere(uint32_t number) const { return number < rx_.size() ? rx_[number] : nullptr; }
  uint32_t CoreOf(uint32_t queue) const { return queue < rx_.size() ? core_of_[queue] : index_; }
  void Deliver(RxQueue& queue, const Packet& packet, const FlowHash& hash,
               std::span<uint8_t> frame);
  static dataplane::RxMetadata Describe(const RxQueue& queue, dataplane::L3Kind l3,
                                        dataplane::L4Kind l4, const FlowHash& hash);
  static void SayVerdict(const ChecksumVerdict& verdict, dataplane::RxMetadata* meta);
  static void CountVerdict(RxQueue& queue, const ChecksumVerdict& verdict) {
    using dataplane::ChecksumState;
    if (verdict.l3 == ChecksumState::kBad || verdict.l4 == ChecksumState::kBad) {
      queue.stats->checksum_errors.Add();
    }
  }
  // Completes the packet of `bytes` bytes that stands in pieces_.
  void CompletePieces(RxQueue& queue, const dataplane::RxMetadata& meta, uint32_t bytes);
  // Fetches buffers for `bytes` bytes into pieces_. False: dropped, counted, nothing consumed.
  bool FetchBuffers(RxQueue& queue, uint32_t bytes);

  // rx_burst.cc
  // Reads its head, and begins to look for its flow.
  void Prepare(BurstFrame& frame);
  void PrepareHere(BurstFrame& frame);  // inlined
  // Finds the flow of a plain frame that is prepared, and with it its queue. False: it is for
  // ReceiveFromWire.
  bool SteerPlain(BurstFrame& frame);
  // The same for a frame no longer than the MTU, without a copy of its flow, which stays as it is
  // until the next call. Null: it is for ReceiveFromWire.
  const PlainFlow* FlowOf(const BurstFrame& frame, const PlainHead& head, uint32_t* l3_end) {
    const PlainFlow* const known = flows_.Confirm(frame.place, head, frame.bytes, l3_end);
    return known != nullptr ? known : NewFlow(frame, l3_end);
  }
  // Parses it, and asks rules and RSS.
  const PlainFlow* NewFlow(const BurstFrame& frame, uint32_t* l3_end);
  void Enqueue(BurstFrame& frame);
  // Delivers what was enqueued.
  void DeliverPlain();
  void DeliverPlainTo(RxQueue& queue, uint64_t time_ns);
  // Into one buffer each, as far as such are posted. Returns the first frame that is left; null:
  // none.
  BurstFrame* DeliverInBuffers(RxQueue& queue, uint64_t time_ns);
  bool DeliverInPieces(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns);
  // Takes the first of these frames, as long as they are plain, no longer than `longest`, of
  // sources that may send them, and for one receive queue of this core: their way without a stop.
  // How many. Nothing is enqueued. longest: what both ends take, bytes.
  uint32_t ReceiveRun(std::span<BurstFrame> frames, uint32_t longest, const SourceCheck& source);
  void BeginRun(RxQueue& queue, uint32_t frames, uint64_t time_ns);
  // A frame that run_ takes.
  void Put(RxQueue& queue, const BurstFrame& frame, const PlainHead& head, const PlainFlow& flow,
           uint32_t l3_end);
  // Of these frames the first, as long as their heads are like that of the one before, which went
  // to the queue: they are of its flow, and from sources that may send it. How many. Each is read
  // and put in one go; there is nothing to look for ahead of its turn.
  template <bool kFour>
  uint32_t PutAlike(RxQueue& queue, std::span<BurstFrame> frames, const FrameHead& before,
                    const PlainFlow& flow, uint32_t longest);
  void CompleteRun(RxQueue& queue);
  void EndRun(RxQueue& queue);
  static dataplane::RxMetadata DescribePlain(const RxQueue& queue, const PlainFlow& flow,
                                             const ChecksumVerdict& verdict, uint64_t time_ns);

  // nic_lanes.cc
  void HandOver(uint32_t core, FrameLane::For what, std::span<const uint8_t> frame);
  void HandOverPlain(const BurstFrame& frame);
  bool PollLanes();
  bool PollLane(FrameLane& lane);
  void PublishLanes();

  // tx_burst.cc
  // Sends plain frames to the peer, up to `most`; how many were taken. 0: the next one is none, or
  // there is none (*nothing; unchanged where it did not look).
  uint32_t SendPlain(TxQueue& queue, uint32_t most, bool* nothing);
  // Frames [begin, end) of the burst, which were enqueued at the peer.
  void FinishPlain(TxQueue& queue, uint32_t begin, uint32_t end);

  // tx_path.cc
  bool PollTx(TxQueue& queue);
  // What was fetched, all the way, its completion included. False: a fault.
  bool SendOne(TxQueue& queue, dataplane::TxWork& work, uint32_t* frames);
  // The packet into tx_offload_'s buffer. False: a fault.
  bool Gather(TxQueue& queue, const dataplane::TxWork& work);
  void SendToWire(std::span<uint8_t> frame);

  void Stop(LeasedQueue& queue, device::FaultKind kind, uint32_t slot, uint64_t iova,
            uint64_t bytes);
  void StopForRingFault(LeasedQueue& queue, dataplane::RingFault fault);
  void StopForIommu(LeasedQueue& queue, Iommu::Verdict verdict, uint32_t slot, uint64_t iova,
                    uint64_t bytes);
  void NoteCompletions(LeasedQueue& queue, uint64_t count);
  bool PollTaps();
  void LookAtLink();  // the first core
  bool is_first() const { return index_ == 0; }

  const device::MacAddress mac_;
  Worker* const worker_;
  backend::EventMailer* const mailer_;
  std::optional<linux_sys::Tap> wire_;
  std::optional<linux_sys::Tap> representor_;
  NicCore* peer_ = nullptr;  // the core of the same number there
  std::vector<NicCore*> cores_ = {this};
  uint32_t index_ = 0;                 // in cores_
  std::vector<uint32_t> core_of_;      // by queue, of either direction
  std::vector<FrameLane*> to_, from_;  // by core
  NicStats stats_;
  NicSettings settings_;
  std::shared_ptr<const FlowTable> rules_;
  std::shared_ptr<const RssTable> rss_;
  std::vector<std::unique_ptr<LeaseShare>> leases_;
  std::vector<RxQueue*> rx_;         // by number; null: not leased
  std::vector<TxQueue*> tx_;         // by number; null: not leased
  std::vector<TxQueue*> active_tx_;  // those that are leased
  // With event_pending.
  dataplane::CacheLineVector<LeasedQueue*> completed_;
  TxOffload tx_offload_;
  // Plain frames on their way from this NIC, and the queues of this NIC that some are for.
  std::array<BurstFrame, kBurstFrames> burst_;
  std::array<dataplane::PlainTx, kBurstFrames> plain_;
  dataplane::CacheLineVector<RxQueue*> touched_;
  RxRun run_;
  FlowCache flows_;
  PlainFlow new_flow_;  // the one that was steered last without its help
  dataplane::CacheLineVector<uint8_t> tap_buffer_;
  dataplane::CacheLineVector<RxPiece> pieces_;
  uint64_t now_ns_ = 0;
  uint64_t link_checked_ns_ = 0;
  uint64_t link_down_until_ns_ = 0;
  uint32_t rounds_ = 0;
  bool reflecting_ = false;
  // Other cores read it.
  alignas(64) std::atomic<Link> link_{Link::kNotLookedAt};
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_NIC_CORE_H_
