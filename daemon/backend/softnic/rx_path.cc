// NicCore: from the wire to a receive ring or the representor.
#include <algorithm>
#include <cstring>

#include "absl/time/clock.h"
#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::RingFault;
using dataplane::RxField;
using dataplane::RxMetadata;

constexpr device::MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// As two words, without the call that == is.
bool AreEqual(const device::MacAddress& a, const device::MacAddress& b) {
  uint32_t a_high, b_high;
  uint16_t a_low, b_low;
  std::memcpy(&a_high, a.data(), 4);
  std::memcpy(&b_high, b.data(), 4);
  std::memcpy(&a_low, a.data() + 4, 2);
  std::memcpy(&b_low, b.data() + 4, 2);
  return ((a_high ^ b_high) | static_cast<uint32_t>(a_low ^ b_low)) == 0;
}

}  // namespace

uint64_t WallClockNs() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

bool NicCore::PassesMacFilter(const device::MacAddress& destination) const {
  if (AreEqual(destination, mac_) || settings_.promiscuous) return true;
  if ((destination[0] & 1) == 0) return false;
  if (destination == kBroadcast || settings_.all_multicast) return true;
  return std::binary_search(settings_.multicast.begin(), settings_.multicast.end(), destination);
}

void NicCore::ToRepresentor(std::span<const uint8_t> frame) {
  if (!is_first() && cores_.front()->representor_) {
    HandOver(0, FrameLane::For::kRepresentor, frame);
    return;
  }
  if (!representor_ || !representor_->Send(frame)) {
    stats_.drops_representor.Add();
    return;
  }
  stats_.representor_rx_packets.Add();
}

void NicCore::Reflect(std::span<uint8_t> frame) {
  if (reflecting_) {
    stats_.drops_rule.Add();
    return;
  }
  std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
  reflecting_ = true;
  SendToWire(frame);
  reflecting_ = false;
}

uint32_t NicCore::QueueFor(const FlowTable::Entry& rule, const FlowHash& hash) const {
  // All actions but a queue's are numbers that no queue has: to pass is to go to a queue that
  // nobody has. No branch, as in the look-up.
  const uint32_t none = NoneUnless(rule.is_rule());
  return (rule.action.queue & ~none) | (rss_->queue[hash.value % kRssTableSize] & none);
}

void NicCore::ReceiveFromWire(std::span<uint8_t> frame) {
  if (!link_up()) {
    stats_.drops_wire.Add();
    return;
  }
  stats_.wire_rx_packets.Add();
  stats_.wire_rx_bytes.Add(frame.size());
  Receive(frame);
}

void NicCore::Receive(std::span<uint8_t> frame) {
  Packet packet;
  if (!Parse(frame, &packet)) {
    stats_.drops_malformed.Add();
    return;
  }
  if (!PassesMacFilter(packet.key.dst_mac)) {
    // The kernel behind the representor has multicast groups of its own (IPv6 cannot do without)
    // and filters them itself; they never reach a queue.
    if (cores_.front()->representor_ && (packet.key.dst_mac[0] & 1) != 0) {
      ToRepresentor(frame);
    } else {
      stats_.drops_mac_filter.Add();
    }
    return;
  }
  const FlowHash hash = HashFlow(rss_->toeplitz, packet);
  const FlowTable::Entry& rule = rules_->Find(packet.key);
  const uint32_t number = QueueFor(rule, hash);
  if (const uint32_t core = CoreOf(number); core != index_) {
    HandOver(core, FrameLane::For::kQueue, frame);
    return;
  }
  if (rule.is_rule()) {
    RuleStats& counters = stats_.rules[rule.location];
    counters.packets.Add();
    counters.bytes.Add(frame.size());
    if (rule.action.drops()) {
      stats_.drops_rule.Add();
      return;
    }
    if (rule.action.reflects()) {
      Reflect(frame);
      return;
    }
  }
  RxQueue* const queue = QueueHere(number);
  if (queue == nullptr) {
    ToRepresentor(frame);
    return;
  }
  Deliver(*queue, packet, hash, frame);
}

RxMetadata NicCore::Describe(const RxQueue& queue, dataplane::L3Kind l3, dataplane::L4Kind l4,
                             const FlowHash& hash) {
  RxMetadata meta;
  meta.present = RxField::kHash | RxField::kHashType | RxField::kL3Kind | RxField::kL4Kind |
                 RxField::kQueue | RxField::kError;
  meta.hash = hash.value;
  meta.hash_type = hash.type;
  meta.l3 = l3;
  meta.l4 = l4;
  meta.queue = static_cast<uint16_t>(queue.number);
  return meta;
}

void NicCore::SayVerdict(const ChecksumVerdict& verdict, RxMetadata* meta) {
  meta->present |= RxField::kL3Checksum | RxField::kL4Checksum;
  meta->l3_checksum = verdict.l3;
  meta->l4_checksum = verdict.l4;
}

bool NicCore::FetchBuffers(RxQueue& queue, uint32_t bytes) {
  pieces_.clear();
  uint32_t left = bytes;
  while (true) {
    if (pieces_.size() == queue.max_buffers || pieces_.size() == pieces_.capacity()) {
      queue.stats->drops_too_long.Add();
      queue.ring.Unfetch();
      return false;
    }
    dataplane::PostedBuffer buffer;
    const bool first = pieces_.empty();
    const RingFault fault = queue.ring.Fetch(&buffer, first, bytes);
    if (fault == RingFault::kEmpty) {
      const bool too_long = !first && !queue.ring.PacketMayGoOn();
      (too_long ? queue.stats->drops_too_long : queue.stats->drops_no_descriptor).Add();
      queue.ring.Unfetch();
      return false;
    }
    if (fault != RingFault::kNone) {
      StopForRingFault(queue, fault);
      return false;
    }
    // What the layout puts before the packet stands in the first buffer.
    const uint32_t prefix = first ? queue.prefix_bytes : 0;
    if (buffer.bytes <= prefix) {
      Stop(queue, device::FaultKind::kBadDescriptor, buffer.slot, buffer.address.value,
           buffer.bytes);
      return false;
    }
    std::byte* at = buffer.memory;  // in the ring itself, which needs no translation
    if (at == nullptr) {
      const Iommu::Translation to = queue.lease->iommu.Translate(
          buffer.address.value, buffer.bytes, Iommu::Access::kWrite, &queue.cursor);
      if (to.verdict != Iommu::Verdict::kOk) {
        StopForIommu(queue, to.verdict, buffer.slot, buffer.address.value, buffer.bytes);
        return false;
      }
      at = to.at;
    }
    const uint32_t part = std::min(left, buffer.bytes - prefix);
    pieces_.push_back({at + prefix, part, buffer.bytes - prefix});
    left -= part;
    if (left == 0) return true;
  }
}

void NicCore::Deliver(RxQueue& queue, const Packet& packet, const FlowHash& hash,
                      std::span<uint8_t> frame) {
  if (queue.stopped) {
    queue.stats->drops_down.Add();
    return;
  }
  if (queue.stalled_until_ns != 0) {
    if (now_ns_ < queue.stalled_until_ns) {
      queue.stats->drops_injected.Add();
      return;
    }
    queue.stalled_until_ns = 0;
  }
  if (frame.size() > LinkHeaderBytes(frame) + settings_.mtu_bytes) {
    queue.stats->drops_too_long.Add();
    return;
  }
  const bool strip = packet.key.has_vlan != 0 && packet.key.vlan_ether_type == kEtherTypeVlan &&
                     queue.supported.Has(RxField::kVlanTci);
  const auto bytes = static_cast<uint32_t>(frame.size() - (strip ? kVlanTagBytes : 0));
  if (!FetchBuffers(queue, bytes)) return;
  RxMetadata meta = Describe(queue, packet.l3, packet.l4, hash);
  if (queue.verifies) {
    const ChecksumVerdict verdict = Verify(packet);
    SayVerdict(verdict, &meta);
    CountVerdict(queue, verdict);
  }
  if (queue.supported.Has(RxField::kTimestamp)) {
    meta.present |= RxField::kTimestamp;
    meta.timestamp = WallClockNs();
  }
  if (strip) {  // after Verify, which still reads the frame as it came
    meta.present |= RxField::kVlanTci;
    meta.vlan_tci = packet.key.vlan_tci;
    std::memmove(frame.data() + kVlanTagBytes, frame.data(), 12);
    frame = frame.subspan(kVlanTagBytes);
  }
  const uint8_t* from = frame.data();
  for (const RxPiece& piece : pieces_) {
    std::memcpy(piece.at, from, piece.bytes);
    from += piece.bytes;
  }
  CompletePieces(queue, meta, bytes);
}

void NicCore::CompletePieces(RxQueue& queue, const RxMetadata& meta, uint32_t bytes) {
  const bool lose = queue.lose_completions != 0;
  const bool wrong = !lose && queue.wrong_lengths != 0;
  if (lose) --queue.lose_completions;
  if (wrong) --queue.wrong_lengths;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    dataplane::RxResult result;
    result.length = pieces_[i].bytes;
    result.last = i + 1 == pieces_.size();
    if (wrong && result.last) {  // one more, or where that does not fit, one less
      result.length += pieces_[i].bytes < pieces_[i].posted_bytes ? 1u : ~0u;
    }
    result.meta = meta;
    if (lose) {
      queue.ring.Skip();
      continue;
    }
    queue.ring.Complete(result);
    NoteCompletions(queue, 1);
  }
  queue.stats->descriptors.Add(pieces_.size());
  queue.stats->packets.Add();
  queue.stats->bytes.Add(bytes);
}

}  // namespace qsplit::softnic
