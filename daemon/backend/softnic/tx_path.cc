// NicCore: from a transmit ring to the wire.
#include <cstring>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::RingFault;

// What one queue may do before the next one's turn. One packet that is cut into segments can make
// many frames.
constexpr uint32_t kTxBurstFrames = 32;
constexpr uint64_t kTxBurstBytes = 128 * 1024;

}  // namespace

void NicCore::SendToWire(std::span<uint8_t> frame) {
  if (!link_up()) {
    stats_.drops_wire.Add();
    return;
  }
  const size_t bytes = frame.size();
  if (wire_) {
    if (!wire_->Send(frame)) {
      stats_.drops_wire.Add();
      return;
    }
  } else if (peer_ != nullptr) {
    peer_->ReceiveFromWire(frame);
  }
  stats_.wire_tx_packets.Add();
  stats_.wire_tx_bytes.Add(bytes);
}

bool NicCore::Gather(TxQueue& queue, const dataplane::TxWork& work) {
  if (work.bytes < kEthernetHeaderBytes || work.bytes > TxOffload::kMaxPacketBytes) {
    Stop(queue, device::FaultKind::kBadPacket, work.handle.first_slot, 0, work.bytes);
    return false;
  }
  uint8_t* to = tx_offload_.packet().data();
  for (const dataplane::TxSegment& segment : work.segments) {
    if (segment.bytes == 0) continue;
    const Iommu::Translation from = queue.lease->iommu.Translate(
        segment.address.value, segment.bytes, Iommu::Access::kRead, &queue.cursor);
    if (from.verdict != Iommu::Verdict::kOk) {
      StopForIommu(queue, from.verdict, work.handle.first_slot, segment.address.value,
                   segment.bytes);
      return false;
    }
    std::memcpy(to, from.at, segment.bytes);
    to += segment.bytes;
  }
  return true;
}

bool NicCore::PollTx(TxQueue& queue) {
  if (queue.stopped) return false;
  if (queue.stalled_until_ns != 0) {
    if (now_ns_ < queue.stalled_until_ns) return false;
    queue.stalled_until_ns = 0;
  }
  uint32_t frames = 0;
  uint64_t burst_bytes = 0;
  bool worked = false;
  while (frames < kTxBurstFrames && burst_bytes < kTxBurstBytes) {
    // Looked at first: what comes later counts as new when we want to sleep.
    const uint32_t available = queue.ring.PeekAvailable();
    // The beginning of a packet without its end is not read again and again.
    if (available != 0 && available == queue.incomplete_slots) return worked;
    dataplane::TxWork work;
    const RingFault fault = queue.ring.Fetch(&work);
    if (fault == RingFault::kEmpty) {
      queue.incomplete_slots = available;
      return worked;
    }
    queue.incomplete_slots = 0;
    worked = true;
    if (fault != RingFault::kNone) {
      StopForRingFault(queue, fault);
      return true;
    }
    queue.stats->descriptors.Add(work.handle.slots);
    if (!Gather(queue, work)) return true;
    const auto bytes = static_cast<uint32_t>(work.bytes);
    burst_bytes += bytes;
    if (!link_up()) {
      ++frames;
      queue.stats->drops_down.Add();
    } else {
      const bool sent = tx_offload_.Send(bytes, work.request, settings_.mtu_bytes,
                                         [this, &frames](std::span<uint8_t> frame) {
                                           ++frames;
                                           SendToWire(frame);
                                         });
      if (!sent) {
        Stop(queue, device::FaultKind::kBadPacket, work.handle.first_slot, 0, work.bytes);
        return true;
      }
      queue.stats->packets.Add();
      queue.stats->bytes.Add(bytes);
    }
    if (queue.lose_completions != 0) {
      --queue.lose_completions;
      continue;
    }
    queue.ring.Complete(work.handle);
    NoteCompletion(queue);
  }
  return true;
}

}  // namespace qsplit::softnic
