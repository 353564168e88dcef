// NicCore: plain frames from the peer into receive rings. See frame_burst.h.
#include <algorithm>
#include <bit>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::RingFault;
using dataplane::RxField;
using dataplane::RxMetadata;

bool SameFlow(const device::FlowKey& a, const device::FlowKey& b) {
  using Words = std::array<uint64_t, sizeof(device::FlowKey) / 8>;
  const auto x = std::bit_cast<Words>(a);
  const auto y = std::bit_cast<Words>(b);
  uint64_t other = 0;
  for (size_t i = 0; i < x.size(); ++i) other |= x[i] ^ y[i];
  return other == 0;
}

std::span<const uint8_t> BytesAt(const std::byte* at, size_t count) {
  return {reinterpret_cast<const uint8_t*>(at), count};
}

}  // namespace

bool NicCore::SteerPlain(BurstFrame& frame, const BurstFrame* before) {
  if (!ParsePlain(frame.head, frame.bytes, &frame.packet)) return false;
  if (frame.bytes > kEthernetHeaderBytes + settings_.mtu_bytes) return false;
  if (before != nullptr && SameFlow(before->packet.key, frame.packet.key)) {
    frame.hash = before->hash;
    frame.rule = before->rule;
    frame.to = before->to;
    return true;
  }
  if (!PassesMacFilter(frame.packet.key.dst_mac)) return false;
  frame.hash = HashFlow(rss_->toeplitz, frame.packet);
  const FlowTable::Entry* rule = nullptr;
  frame.to = QueueFor(frame.packet, frame.hash, &rule);
  frame.rule = rule != nullptr ? rule->location : BurstFrame::kNoRule;
  const RxQueue* const to = frame.to;
  return to != nullptr && !to->stopped && to->stalled_until_ns == 0 && to->lose_completions == 0 &&
         to->wrong_lengths == 0;
}

void NicCore::Enqueue(BurstFrame& frame) {
  RxQueue& queue = *frame.to;
  frame.next = nullptr;
  if (queue.first == nullptr) {
    queue.first = &frame;
    touched_.push_back(&queue);
  } else {
    queue.last->next = &frame;
  }
  queue.last = &frame;
  if (frame.rule != BurstFrame::kNoRule) {
    RuleStats& counters = stats_.rules[frame.rule];
    counters.packets.Add();
    counters.bytes.Add(frame.bytes);
  }
}

void NicCore::DeliverPlain() {
  uint64_t time_ns = 0;
  for (RxQueue* queue : touched_) {
    // One time for the burst.
    if (time_ns == 0 && queue->supported.Has(RxField::kTimestamp)) time_ns = WallClockNs();
    DeliverPlainTo(*queue, time_ns);
    queue->first = queue->last = nullptr;
  }
  touched_.clear();
}

void NicCore::DeliverPlainTo(RxQueue& queue, uint64_t time_ns) {
  for (const BurstFrame* frame = DeliverInBuffers(queue, time_ns); frame != nullptr;
       frame = frame->next) {
    if (queue.stopped) {
      queue.stats->drops_down.Add();
    } else {
      DeliverInPieces(queue, *frame, time_ns);
    }
  }
}

RxMetadata NicCore::DescribePlain(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns,
                                  std::span<const Piece> pieces) const {
  RxMetadata meta = Describe(queue, frame.packet, frame.hash);
  if (queue.verifies) {
    const OpenVerdict open = BeginVerify(frame.packet);
    uint32_t sum = 0;
    uint32_t at = 0;  // in the frame
    const uint32_t end = kHeadBytes + open.rest_bytes;
    // Of what the receiver got: the sender's bytes were read, and may be others by now.
    for (const Piece& piece : pieces) {
      const uint32_t from = std::max(at, kHeadBytes);
      const uint32_t to = std::min(at + piece.bytes, end);
      if (from < to) sum += OnesSumAt(BytesAt(piece.at + (from - at), to - from), from);
      at += piece.bytes;
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    SayVerdict(queue, open.Close(static_cast<uint16_t>(sum)), &meta);
  }
  if (queue.supported.Has(RxField::kTimestamp)) {
    meta.present |= RxField::kTimestamp;
    meta.timestamp = time_ns;
  }
  return meta;
}

BurstFrame* NicCore::DeliverInBuffers(RxQueue& queue, uint64_t time_ns) {
  BurstFrame* frame = queue.first;
  uint32_t frames = 0;
  for (const BurstFrame* f = frame; f != nullptr; f = f->next) ++frames;
  const uint32_t fetched = queue.ring.FetchPlain(std::span(posted_).first(frames));
  std::array<std::byte*, kBurstFrames> to;
  uint32_t ready = 0;
  for (const BurstFrame* f = frame; ready < fetched; f = f->next, ++ready) {
    const dataplane::PostedBuffer& buffer = posted_[ready];
    if (buffer.bytes < queue.prefix_bytes || buffer.bytes - queue.prefix_bytes < f->bytes) break;
    const Iommu::Translation there = queue.lease->iommu.Translate(
        buffer.address.value, buffer.bytes, Iommu::Access::kWrite, &queue.cursor);
    if (there.verdict != Iommu::Verdict::kOk) break;
    to[ready] = there.at + queue.prefix_bytes;
    __builtin_prefetch(to[ready], 1);
  }
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < ready; ++i, frame = frame->next) {
    const uint32_t room = posted_[i].bytes - queue.prefix_bytes;
    frame->CopyWhole(to[i], room);
    const Piece piece{to[i], frame->bytes, room};
    results_[i].length = frame->bytes;
    results_[i].meta = DescribePlain(queue, *frame, time_ns, std::span(&piece, 1));
    bytes += frame->bytes;
  }
  if (ready != 0) {
    queue.ring.CompletePlain(std::span(results_).first(ready));
    NoteCompletions(queue, ready);
    queue.stats->descriptors.Add(ready);
    queue.stats->packets.Add(ready);
    queue.stats->bytes.Add(bytes);
  }
  // The first one that does not fit, with all behind it.
  if (ready < fetched) queue.ring.Unfetch();
  return frame;
}

bool NicCore::DeliverInPieces(RxQueue& queue, const BurstFrame& frame, uint64_t time_ns) {
  if (!FetchBuffers(queue, frame.bytes)) return false;
  uint32_t at = 0;
  for (const Piece& piece : pieces_) {
    frame.CopyTo(piece.at, at, piece.bytes);
    at += piece.bytes;
  }
  CompletePieces(queue, DescribePlain(queue, frame, time_ns, pieces_), frame.bytes);
  return true;
}

}  // namespace qsplit::softnic
