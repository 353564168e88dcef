// The software NIC itself: what its worker's thread does for each frame.
//
//   TX ring --> gather, offloads --> wire (tap, or the peer's ReceiveFromWire)
//   wire --> parse --> MAC filter --> rules --> RSS --> RX ring of a leased queue
//                                                  \--> representor (tap), or dropped
//   representor --> wire
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
#include "daemon/backend/softnic/flow_table.h"
#include "daemon/backend/softnic/frame_burst.h"
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

// Of receive timestamps.
uint64_t WallClockNs();

class NicCore : public backend::Poller {
 public:
  struct Parts {
    std::optional<linux_sys::Tap> wire;         // absent with a peer
    std::optional<linux_sys::Tap> representor;  // absent: none
  };

  // Any thread, before it is added to its worker.
  NicCore(const SoftNicConfig& config, Parts parts, Worker* worker, backend::EventMailer* mailer);

  // Joins and leaves the worker. Detach also takes it off its peer's wire.
  void Attach();
  void Detach();
  static void Connect(NicCore* a, NicCore* b);

  bool Poll(uint64_t now_ns) override;
  void SignalCompletions() override;
  uint64_t ArmWakeups() override;
  void DisarmWakeups() override;

  // Commands.
  void OpenLease(std::unique_ptr<LeaseQueues> lease, std::shared_ptr<const RssTable> rss);
  // Null: no such lease. When it returns, nothing here points to the lease.
  std::unique_ptr<LeaseQueues> CloseLease(device::LeaseId id, std::shared_ptr<const RssTable> rss);
  void SetRules(std::shared_ptr<const FlowTable> rules) { rules_ = std::move(rules); }
  void SetRss(std::shared_ptr<const RssTable> rss) { rss_ = std::move(rss); }
  void SetSettings(NicSettings settings) { settings_ = std::move(settings); }
  // FAILED_PRECONDITION: the queue is not leased.
  absl::Status Inject(const device::Injection& injection);
  // What only this thread knows of a queue; nothing of one that is not leased.
  std::vector<device::QueueCheck> Examine(uint32_t queue, bool transmit, uint64_t now_ns);

  // Any thread.
  const NicStats& stats() const { return stats_; }
  NicStats& stats() { return stats_; }
  bool link_up() const { return link_.load(std::memory_order_relaxed) == Link::kUp; }
  // Why the link is down, in a sentence; empty: it is up.
  std::string LinkTrouble() const;
  // The kernel interfaces' settings; one caller at a time.
  absl::Status SetInterfaceMtu(uint32_t mtu_bytes);

 private:
  enum class Link : uint8_t { kUp, kNotLookedAt, kNoWire, kTapDown, kInjected, kPeerInjected };

  // A piece of a packet in a client's memory.
  struct Piece {
    std::byte* at;
    uint32_t bytes;
    uint32_t posted_bytes;
  };

  // rx_path.cc
  void ReceiveFromWire(std::span<uint8_t> frame);
  bool PassesMacFilter(const device::MacAddress& destination) const;
  void ToRepresentor(std::span<const uint8_t> frame);
  // Back to the wire with its MAC addresses swapped. A frame that the peer reflects in turn is
  // dropped: it would go to and fro for ever.
  void Reflect(std::span<uint8_t> frame);
  // The receive queue of a packet that passed the MAC filter; null: nobody's, or *rule says what
  // becomes of it.
  RxQueue* QueueFor(const Packet& packet, const FlowHash& hash,
                    const FlowTable::Entry** rule) const;
  void Deliver(RxQueue& queue, const Packet& packet, const FlowHash& hash,
               std::span<uint8_t> frame);
  dataplane::RxMetadata Describe(RxQueue& queue, const Packet& packet, const FlowHash& hash) const;
  static void SayVerdict(RxQueue& queue, const ChecksumVerdict& verdict,
                         dataplane::RxMetadata* meta);
  // Completes the packet of `bytes` bytes that stands in pieces_.
  void CompletePieces(RxQueue& queue, const dataplane::RxMetadata& meta, uint32_t bytes);
  // Fetches buffers for `bytes` bytes into pieces_. False: dropped, counted, nothing consumed.
  bool FetchBuffers(RxQueue& queue, uint32_t bytes);

  // rx_burst.cc
  // Finds the queue of a plain frame, whose head is read. before: the one steered last, or null.
  // False: it is for ReceiveFromWire.
  bool SteerPlain(BurstFrame& frame, const BurstFrame* before);
  void Enqueue(BurstFrame& frame);
  // Delivers what was enqueued.
  void DeliverPlain();
  void DeliverPlainTo(RxQueue& queue, uint64_t time_ns);
  // Into one buffer each, as far as such are posted. Returns the first frame that is left; null:
  // none.
  BurstFrame* DeliverInBuffers(RxQueue& queue, uint64_t time_ns);
  bool DeliverInPieces(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns);
  dataplane::RxMetadata DescribePlain(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns,
                                      std::span<const Piece> pieces) const;

  // tx_burst.cc
  // Sends plain frames to the peer, up to `most`; how many were taken. 0: the next one is none.
  uint32_t SendPlain(TxQueue& queue, uint32_t most, uint64_t* bytes);
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
  void LookAtLink();

  const device::MacAddress mac_;
  Worker* const worker_;
  backend::EventMailer* const mailer_;
  std::optional<linux_sys::Tap> wire_;
  std::optional<linux_sys::Tap> representor_;
  NicCore* peer_ = nullptr;
  NicStats stats_;
  NicSettings settings_;
  std::shared_ptr<const FlowTable> rules_;
  std::shared_ptr<const RssTable> rss_;
  std::vector<std::unique_ptr<LeaseQueues>> leases_;
  std::vector<RxQueue*> rx_;             // by number; null: not leased
  std::vector<TxQueue*> tx_;             // by number; null: not leased
  std::vector<TxQueue*> active_tx_;      // those that are leased
  std::vector<LeasedQueue*> completed_;  // with event_pending
  TxOffload tx_offload_;
  // Plain frames on their way from this NIC, and the queues of this NIC that some are for.
  std::array<BurstFrame, kBurstFrames> burst_;
  std::array<dataplane::PlainTx, kBurstFrames> plain_;
  std::vector<RxQueue*> touched_;
  std::array<dataplane::PostedBuffer, kBurstFrames> posted_;
  std::array<dataplane::RxResult, kBurstFrames> results_;
  std::vector<uint8_t> tap_buffer_;
  std::vector<Piece> pieces_;
  uint64_t now_ns_ = 0;
  uint64_t link_checked_ns_ = 0;
  uint64_t link_down_until_ns_ = 0;
  uint32_t rounds_ = 0;
  bool reflecting_ = false;
  std::atomic<Link> link_{Link::kNotLookedAt};
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_NIC_CORE_H_
