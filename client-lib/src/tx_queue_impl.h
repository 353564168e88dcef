// Inside of TxQueue: the driver, the pool, and the packets that the device has. One thread, the
// pair's.
#ifndef QSPLIT_CLIENT_LIB_SRC_TX_QUEUE_IMPL_H_
#define QSPLIT_CLIENT_LIB_SRC_TX_QUEUE_IMPL_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "client-lib/src/headers.h"
#include "client-lib/src/packet_access.h"
#include "client-lib/src/queue_bell.h"
#include "client-lib/src/tx_timestamps.h"
#include "dataplane/cache_line.h"
#include "dataplane/tx_driver.h"
#include "qsplit/tx_queue.h"

namespace qsplit::internal {

class alignas(dataplane::kCacheLineBytes) TxQueueImpl {
 public:
  struct Setup {
    QueueBell bell;
    uint32_t number = 0;
    // How the device sums up packets that it cuts: see PrepareSegments.
    bool sums_plainly = false;
    // Gives the device each packet alone. False in a program: it is what tests compare bursts with,
    // and no subclass's to choose, for Send makes no virtual call.
    bool one_by_one = false;
  };

  // The pool stays the caller's and outlives this.
  TxQueueImpl(dataplane::TxDriver driver, BufferPool* pool, const Setup& setup);
  ~TxQueueImpl();
  TxQueueImpl(const TxQueueImpl&) = delete;
  TxQueueImpl& operator=(const TxQueueImpl&) = delete;

  Packet Allocate(uint32_t bytes);
  [[gnu::hot]] size_t Allocate(std::span<Packet> packets, uint32_t bytes);
  [[gnu::hot]] size_t Send(std::span<Packet> packets);
  [[gnu::hot]] size_t Reclaim();
  // True: a packet of one segment and one context fits.
  bool CanSend();

  dataplane::TxDriver driver;
  const Setup setup;
  TxQueue::Counters counters;
  TxTimestamps timestamps;

 private:
  static bool Same(const dataplane::TxRequest& a, const dataplane::TxRequest& b) {
    static_assert(std::has_unique_object_representations_v<dataplane::TxRequest>);
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
  enum class Outcome : uint8_t { kSent, kRefused, kLater };
  static constexpr uint32_t kBurst = 64;
  // More segments than this are copied together.
  static constexpr uint32_t kMaxSegments = 64;
  // Room in front of what Allocate gives, for a VLAN tag put in by software; none where the device
  // wants packets to begin at larger multiples.
  static constexpr uint32_t kHeadroom = 64;
  // Short packets begin at one of so many places, kHeadroom bytes apart.
  static constexpr uint32_t kSpreads = 16;
  uint32_t FindHeadroom(uint32_t buffer_bytes) const {
    const bool fits = buffer_bytes >= 2 * kHeadroom && kHeadroom % alignment_ == 0;
    return std::max(fits ? kHeadroom : 0, before_);
  }
  // The longest packet for which there is room at all of these places.
  uint32_t FindMostSpread(uint32_t buffer_bytes) const {
    const uint32_t most = headroom_ + (kSpreads - 1) * kHeadroom;
    return kHeadroom % alignment_ == 0 && buffer_bytes >= 2 * most ? buffer_bytes - most : 0;
  }
  // After so many packets it looks for sent ones, though there be room: their buffers are still in
  // the processor's cache then.
  static constexpr uint32_t kReclaimAfter = 64;

  // False: no buffer is free. *packet is empty before.
  [[gnu::hot]] bool Fill(Packet* packet, uint32_t bytes);
  // The first packets, as long as they are empty, if one buffer holds so many bytes; how many.
  [[gnu::hot]] size_t FillRun(std::span<Packet> packets, uint32_t bytes);
  bool FillChain(Packet* packet, uint32_t bytes);
  // What a packet of one buffer must be to go out as it lies.
  struct Terms {
    BufferPool* pool;
    uint32_t shortest;
    uint32_t before;
    uint64_t askew;  // bits that are 0 in addresses
    bool Take(const Packet& packet, dataplane::TxPacket* to) const;
  };
  // The first packets, as many as are one buffer each, to be sent as it is; how many of them went.
  [[gnu::hot]] size_t SendPlain(std::span<Packet> packets);
  // The same of those that ask for checksums or a tag, all for the same.
  [[gnu::hot]] size_t SendAsking(std::span<Packet> packets);
  // Puts them into burst_, made ready; what the device is to do goes into *request. How many.
  [[gnu::hot]] size_t GatherAsking(std::span<Packet> packets, dataplane::TxRequest* request);
  // All of them are in burst_; how many went.
  [[gnu::hot]] size_t PushGathered(std::span<Packet> packets, const dataplane::TxRequest& request);
  Outcome SendOne(Packet& packet);
  // The packet is the device's, under this cookie; its handle is empty.
  void GiveAway(Packet& packet, uint32_t cookie);
  // It is sent.
  // The first ones, as many as are one buffer each; how many.
  [[gnu::hot]] size_t TakeBackRun(std::span<const uint32_t> cookies);
  void GiveGuestBack(uint32_t guest);
  // A packet that asked for the time will not get one.
  void LeaveUntold() { counters.timestamps_lost += timestamps.AskedInVain(); }
  dataplane::TxFeatures TimeOf(const Packet& packet) const;
  // What a packet asks for, but when it leaves. *headers: read for checksums only.
  static dataplane::TxRequest AskedBy(const Packet& packet, Headers* headers);
  // As much of it as the device does. Part of it by the device and part by software helps little:
  // it is all, all but IPv4's short sum, or nothing.
  const dataplane::TxRequest& Granted(const dataplane::TxRequest& asked) {
    if (!Same(asked, asked_)) [[unlikely]] {
      AskDriver(asked);
    }
    return granted_;
  }
  [[gnu::cold, gnu::noinline]] void AskDriver(const dataplane::TxRequest& asked);
  // What the device is asked for; what it cannot do is done here. False: there is no buffer to do
  // it in now.
  bool Prepare(Packet& packet, dataplane::TxRequest* request);
  // The same of a packet that the device is to cut. False: it cannot, or not this one.
  bool PrepareCut(Packet& packet, dataplane::TxRequest* request);
  bool Pad(Packet& packet);
  // Whether the device takes the packet's buffers as they are: how many, and where they begin.
  bool Fits(const Packet& packet) const;
  // Copies the packet to fresh buffers of this pool, `bytes` bytes of them; behind the Ethernet
  // addresses `hole` bytes are left out, for a tag.
  bool CopyHere(Packet& packet, uint32_t bytes, uint32_t hole = 0);
  [[gnu::hot]] void Publish();

  BufferPool* pool_;
  const uint32_t alignment_;  // of segments' addresses, bytes; a power of two
  const uint32_t before_;     // bytes in front of segments that requests may stand in
  const uint32_t shortest_;   // packet that the device takes, bytes
  const bool bursts_;
  const uint32_t headroom_;  // of what Allocate gives, bytes
  const uint32_t most_spread_bytes_;
  const Terms terms_;
  dataplane::TxRequest asked_;           // the last one that asked for something
  dataplane::TxRequest granted_;         // of that
  uint32_t reclaim_at_ = kReclaimAfter;  // with so many packets out, look for sent ones
  // Of the packet that is being sent; here, since making so many anew costs more than sending one.
  std::array<dataplane::TxSegment, kMaxSegments> segments_;
  std::array<dataplane::TxPacket, kBurst> burst_;
  // Packets of this pool have the number of their first buffer for a cookie, others a number behind
  // these.
  struct Guest {
    BufferPool* pool = nullptr;
    uint32_t first = BufferPool::kNone;
  };
  dataplane::CacheLineVector<uint8_t>
      is_away_;  // by buffer of this pool: a packet that the device has begins there
  dataplane::CacheLineVector<Guest> guests_;
  dataplane::CacheLineVector<uint32_t> free_guests_;
};

[[gnu::always_inline]] inline bool TxQueueImpl::Terms::Take(const Packet& packet,
                                                            dataplane::TxPacket* to) const {
  if (PacketAccess::pool(packet) != pool) return false;
  const uint32_t buffer = PacketAccess::first(packet);
  const BufferPool::Link& link = pool->link(buffer);
  const uint64_t address = pool->iova(buffer) + link.offset;
  *to = {dataplane::Iova(address), link.length, buffer};
  return link.length >= shortest && link.offset >= before && (address & askew) == 0;
}

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_TX_QUEUE_IMPL_H_
