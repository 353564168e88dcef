// NicCore: from a transmit ring to the wire.
#include <cstring>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::L3Kind;
using dataplane::L4Kind;
using dataplane::RingFault;
using dataplane::TxFeature;
using dataplane::TxRequest;

// What one queue may do before the next one's turn, beside kBurstFrames. One packet that is cut
// into segments can make many frames.
constexpr uint64_t kTxBurstBytes = 128 * 1024;

// Where the headers of a packet are, as far as its own bytes say; lengths in IP headers do not
// count, for packets that are to be cut have none. False: no TCP, UDP or SCTP over IP.
bool FindHeaders(std::span<const uint8_t> packet, TxRequest* found) {
  const uint32_t l2 = LinkHeaderBytes(packet);
  if (packet.size() < l2 + 20) return false;
  const uint16_t type = LoadBe16(packet.data() + l2 - 2);
  const uint8_t* const ip = packet.data() + l2;
  uint32_t l3 = 0;
  uint8_t protocol = 0;
  if (type == kEtherTypeIp4 && ip[0] >> 4 == 4) {
    found->l3 = L3Kind::kIp4;
    l3 = (ip[0] & 0xfu) * 4;
    protocol = ip[9];
  } else if (type == kEtherTypeIp6 && ip[0] >> 4 == 6) {
    found->l3 = L3Kind::kIp6;
    l3 = 40;
    protocol = ip[6];
  }
  if (l3 < 20 || packet.size() < l2 + l3 + 8) return false;
  const uint8_t* const transport = ip + l3;
  uint32_t l4 = 8;
  if (protocol == kProtocolTcp) {
    if (packet.size() < l2 + l3 + 20) return false;
    found->l4 = L4Kind::kTcp;
    l4 = (transport[12] >> 4) * 4u;
  } else if (protocol == kProtocolUdp) {
    found->l4 = L4Kind::kUdp;
  } else if (protocol == kProtocolSctp) {
    found->l4 = L4Kind::kSctp;
    l4 = 12;
  } else {
    return false;
  }
  found->l2_header_bytes = static_cast<uint16_t>(l2);
  found->l3_header_bytes = static_cast<uint16_t>(l3);
  found->l4_header_bytes = static_cast<uint16_t>(l4);
  return true;
}

// Some descriptors only say that a checksum is wanted, or how long segments are, and leave it to
// the device to look into the packet for the rest.
void AddWhatThePacketSays(std::span<const uint8_t> packet, TxRequest* request) {
  const bool segment = request->wants.Has(TxFeature::kSegment);
  const bool l3 = request->wants.Has(TxFeature::kL3Checksum) && request->l3_checksum_at == 0;
  const bool l4 = request->wants.Has(TxFeature::kL4Checksum) && request->l4_checksum_at == 0;
  if (!segment && !l3 && !l4) return;
  TxRequest found;
  if (!FindHeaders(packet, &found)) {
    // A packet that has no such checksum goes out as it is.
    constexpr dataplane::TxFeatures kSums = TxFeature::kL3Checksum | TxFeature::kL4Checksum;
    if (!segment) request->wants.bits &= ~kSums.bits;
    return;
  }
  if (segment) {
    if (request->l3 == L3Kind::kUnknown) request->l3 = found.l3;
    if (request->l4 == L4Kind::kUnknown) request->l4 = found.l4;
    if (request->l2_header_bytes == 0) request->l2_header_bytes = found.l2_header_bytes;
    if (request->l3_header_bytes == 0) request->l3_header_bytes = found.l3_header_bytes;
    if (request->l4_header_bytes == 0) request->l4_header_bytes = found.l4_header_bytes;
    return;
  }
  if (l3) {
    if (found.l3 != L3Kind::kIp4) {
      request->wants.bits &= ~static_cast<uint32_t>(TxFeature::kL3Checksum);
    } else {
      request->l3_checksum_start = found.l2_header_bytes;
      request->l3_checksum_at = static_cast<uint16_t>(found.l2_header_bytes + 10);
      request->l3_header_bytes = found.l3_header_bytes;
    }
  }
  if (l4) {
    const int in_header = found.l4 == L4Kind::kTcp ? 16 : found.l4 == L4Kind::kUdp ? 6 : 8;
    const int start = found.l2_header_bytes + found.l3_header_bytes;
    request->l4 = found.l4;
    request->l4_checksum_start = static_cast<uint16_t>(start);
    request->l4_checksum_at = static_cast<uint16_t>(start + in_header);
  }
}

}  // namespace

void NicCore::SendToWire(std::span<uint8_t> frame) {
  if (!link_up()) {
    stats_.drops_wire.Add();
    return;
  }
  const size_t bytes = frame.size();
  if (!is_first() && cores_.front()->wire_) {
    HandOver(0, FrameLane::For::kWire, frame);
    return;
  }
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
  if (!work.inline_bytes.empty()) {
    std::memcpy(to, work.inline_bytes.data(), work.inline_bytes.size());
    to += work.inline_bytes.size();
  }
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

bool NicCore::SendOne(TxQueue& queue, dataplane::TxWork& work, uint32_t* frames) {
  queue.stats->descriptors.Add(work.handle.slots);
  if (!Gather(queue, work)) return false;
  const auto bytes = static_cast<uint32_t>(work.bytes);
  const uint64_t time_ns = work.wants_time ? WallClockNs() : 0;
  AddWhatThePacketSays(tx_offload_.packet().first(bytes), &work.request);
  if (!link_up()) {
    ++*frames;
    queue.stats->drops_down.Add();
  } else {
    // Each frame as it goes out: a checksum can be asked for where a source address stands.
    bool forged = false;
    const SourceCheck& source = queue.lease->source;
    const bool sent =
        tx_offload_.Send(bytes, work.request, settings_.mtu_bytes, [&](std::span<uint8_t> frame) {
          ++*frames;
          if (source.Passes(frame)) {
            SendToWire(frame);
          } else {
            forged = true;
          }
        });
    if (!sent) {
      Stop(queue, device::FaultKind::kBadPacket, work.handle.first_slot, 0, work.bytes);
      return false;
    }
    if (forged) {
      queue.stats->drops_source.Add();
    } else {
      queue.stats->packets.Add();
      queue.stats->bytes.Add(bytes);
    }
  }
  if (queue.lose_completions != 0) {
    --queue.lose_completions;
    return true;
  }
  queue.ring.Complete(work.handle, time_ns);
  NoteCompletions(queue, 1);
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
  while (frames < kBurstFrames && burst_bytes < kTxBurstBytes) {
    bool nothing = false;
    if (SendPlain(queue, kBurstFrames - frames, &nothing) != 0) {
      // What is behind them has the next round: no look at the doorbell for fewer than a burst.
      return true;
    }
    // One look at the doorbell in each round without work. A second one would find a lone packet as
    // often as the first, and take it the long way, all alone.
    if (nothing) {
      queue.incomplete_slots = 0;
      return worked;
    }
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
    burst_bytes += work.bytes;
    if (!SendOne(queue, work, &frames)) return true;
  }
  return true;
}

}  // namespace qsplit::softnic
