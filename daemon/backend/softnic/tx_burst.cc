// NicCore: plain frames of a transmit ring, to the peer. See frame_burst.h.
#include <algorithm>

#include "daemon/backend/softnic/nic_core.h"
#include "dataplane/prefetch.h"

namespace qsplit::softnic {

namespace {

// Frames to one queue; fewer in a row are collected first.
constexpr uint32_t kShortRun = 8;

}  // namespace

uint32_t NicCore::SendPlain(TxQueue& queue, uint32_t most, bool* nothing) {
  if (peer_ == nullptr || wire_ || !link_up() || !peer_->link_up() || queue.lose_completions != 0) {
    return 0;
  }
  // With the doorbell and the descriptor, not after them: no faults come of it, wherever it points.
  dataplane::PrefetchToRead(queue.last_frame);
  const uint32_t count = queue.ring.FetchPlain(std::span(plain_).first(most), nothing);
  if (count == 0) return 0;
  const LeaseQueues& lease = *queue.lease;
  const Iommu::Window near = lease.iommu.Near(queue.cursor, Iommu::Access::kRead);
  for (uint32_t i = 0; i < count; ++i) {
    BurstFrame& frame = burst_[i];
    const uint64_t address = plain_[i].address.value;
    const uint32_t bytes = plain_[i].bytes;
    const std::byte* at = near.Find(address, bytes);
    if (at == nullptr) [[unlikely]] {
      at = lease.iommu.Translate(address, bytes, Iommu::Access::kRead, &queue.cursor).at;
    }
    frame.sent_bytes = bytes;
    frame.place = nullptr;
    frame.at = at;                                        // null: a fault, when its turn comes
    if (i < kFramesAhead) dataplane::PrefetchToRead(at);  // null does no harm
  }
  queue.last_frame = burst_[0].at;
  // What either does not take goes the long way, on which it is told so.
  const uint32_t longest =
      kEthernetHeaderBytes + std::min(settings_.mtu_bytes, peer_->settings_.mtu_bytes);
  const bool restricted = lease.source.any();
  uint32_t begin = 0;
  uint32_t ahead = 0;   // frames in front of it are prepared
  bool in_runs = true;  // as long as those are not short
  for (uint32_t i = 0; i < count; ++i) {
    if (in_runs && begin == i) {
      const uint32_t run =
          peer_->ReceiveRun(std::span(burst_).subspan(i, count - i), longest, lease.source);
      FinishPlain(queue, i, i + run);
      in_runs = run >= kShortRun;
      begin = i += run;
      if (i == count) break;
    }
    if (i + kFramesAhead < count) dataplane::PrefetchToRead(burst_[i + kFramesAhead].at);
    for (ahead = std::max(ahead, i); ahead < std::min(count, i + kHeadsAhead); ++ahead) {
      BurstFrame& frame = burst_[ahead];
      if (frame.place == nullptr && frame.MayBeRead(longest)) peer_->Prepare(frame);
    }
    BurstFrame& frame = burst_[i];
    const bool plain = frame.place != nullptr && peer_->SteerPlain(frame) &&
                       // Source addresses of plain frames stand in their heads.
                       (!restricted || lease.source.Passes(frame.head));
    if (plain) {
      peer_->Enqueue(frame);
      continue;
    }
    // All the way, with a private copy of its own; behind those in front of it.
    FinishPlain(queue, begin, i);
    begin = i + 1;
    const dataplane::TxSegment segment{plain_[i].address, plain_[i].bytes};
    dataplane::TxWork work;
    work.segments = std::span(&segment, 1);
    work.bytes = segment.bytes;
    work.handle = queue.ring.HandleOf(plain_[i]);
    uint32_t frames = 0;
    if (!SendOne(queue, work, &frames)) return i + 1;
  }
  FinishPlain(queue, begin, count);
  return count;
}

void NicCore::FinishPlain(TxQueue& queue, uint32_t begin, uint32_t end) {
  if (begin == end) return;
  peer_->DeliverPlain();
  uint64_t sent_bytes = 0;
  uint64_t wire_bytes = 0;
  for (uint32_t i = begin; i < end; ++i) {
    sent_bytes += burst_[i].sent_bytes;
    wire_bytes += burst_[i].bytes;
  }
  const uint64_t count = end - begin;
  queue.ring.CompletePlain(std::span(plain_).subspan(begin, end - begin));
  NoteCompletions(queue, count);
  queue.stats->descriptors.Add(count);
  queue.stats->packets.Add(count);
  queue.stats->bytes.Add(sent_bytes);
  stats_.wire_tx_packets.Add(count);
  stats_.wire_tx_bytes.Add(wire_bytes);
  peer_->stats_.wire_rx_packets.Add(count);
  peer_->stats_.wire_rx_bytes.Add(wire_bytes);
}

}  // namespace qsplit::softnic
